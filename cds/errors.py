"""Every error of the service, in one tree.

    CdsError
    ├── ConfigurationError          the service must not start, or the file must not take effect
    │   ├── SettingsError           CDS-101  deployment settings
    │   ├── PolicyError             CDS-102  the clinical lead's policy file
    │   ├── ManifestError           CDS-103  a model folder
    │   ├── VocabularyError         CDS-104  concepts, units, a site's ConceptMap
    │   ├── ServiceError            CDS-105  a service declaration in hooks/
    │   ├── RuntimeConflict         CDS-106  ONNX Runtime installed wrongly
    │   ├── CharterError            CDS-107  the committee's charter
    │   └── GuidelineError          CDS-109  a guideline as a FHIR resource, or its conditions
    ├── RequestError                the caller can mend it
    │   ├── MalformedRequest   400  CDS-400  not the JSON or the shape CDS Hooks asks for
    │   ├── NotAuthenticated   401  CDS-401  says nothing more to the caller; the log says why
    │   ├── ForeignServer      403  CDS-403  fhirServer is not on this client's list
    │   ├── UnknownService     404  CDS-404  no such service, card or page
    │   ├── RequestTimeout     408  CDS-408  the body did not arrive in time
    │   ├── MissingData        412  CDS-412  required data neither sent nor to be had
    │   ├── RequestTooLarge    413  CDS-413  body over the limit
    │   └── WrongMediaType     415  CDS-415  body is not JSON
    ├── ReportRefused               the report behind a card can't be opened; a page says so
    │   ├── MalformedLaunch    400  CDS-301  the launch or its return lacks what SMART App Launch asks for
    │   ├── ForeignIssuer      403  CDS-302  iss is no FHIR server of a client that has a `smart` block
    │   ├── LaunchLost         400  CDS-303  returned to another browser, too late or twice; start again from the EHR
    │   ├── LaunchDenied       403  CDS-304  the EHR's authorization server said no
    │   ├── LaunchFailed       502  CDS-305  the EHR's authorization server did not do as SMART says; the log has what
    │   ├── NoPatient          403  CDS-306  the EHR named no patient
    │   ├── LinkInvalid        403  CDS-307  the card's link was changed on its way, or is not ours
    │   ├── LinkExpired        410  CDS-308  the card is older than `link_hours`
    │   ├── ForeignCard        403  CDS-309  the card is another patient's or another client's
    │   ├── UnknownCard        404  CDS-310  the ledger does not have the card, or not yet
    │   ├── NoReportSession    401  CDS-311  the report was left, has expired, or was opened in another browser
    │   ├── ForeignForm        403  CDS-312  another site's form was sent to the report
    │   └── NoCards            404  CDS-313  no card was ever given for this patient
    ├── ConsoleRefused              the committee's pages can't be shown to whoever asks
    │   ├── NotSignedIn        401  CDS-321  nobody is signed in, or not any more
    │   ├── SignInFailed       403  CDS-322  the sign-in was not believed; the log has why
    │   ├── NotAllowed         403  CDS-323  signed in, and without the role for this
    │   └── NothingThere       404  CDS-324  no such model, site or call
    ├── SourceError                 one source of data failed; the answer degrades and says so
    │   ├── SourceTimeout           CDS-601  nothing within the deadline
    │   ├── SourceUnreachable       CDS-602  no connection
    │   ├── SourceRefused           CDS-603  4xx/5xx, or an OperationOutcome
    │   ├── SourceMalformed         CDS-604  not FHIR JSON (HTML, truncated, too large)
    │   ├── SourceForeign           CDS-605  a redirect or a paging link left the client's servers
    │   └── SourceUnsupported       CDS-606  the server keeps no resources of this type
    ├── ModelError                  CDS-700  a model failed to load or run; its card says so
    │   ├── ModelServerError        CDS-701  the server that runs models did not answer, or not as it must
    │   ├── SelfTestFailed          CDS-702  a network does not give the answers it was imported with
    │   └── OutOfMemory             CDS-703  the GPU or the machine has too little free memory for a network
    ├── ImagingError                CDS-750  images could not be fetched or assessed; carries a reason code
    ├── ChartsUnavailable           CDS-760  the library that draws charts is not installed
    ├── CommitteeError              CDS-770  what the committee asked for can't be done as asked
    │   └── OutcomeFileError        CDS-771  a registry's file of outcomes can't be used
    ├── ReplayFailed                CDS-775  a past call can't be rebuilt, or not to the same card; which part is said
    ├── AuditFailed                 CDS-776  the audit's chain can't be trusted
    ├── CohortError                 CDS-780  a cohort file can't be read in a model's terms, or is too small to judge it
    ├── Overloaded         503  CDS-503  more calls in hand than can be answered in time; this one was not begun
    ├── NotTaken           503  CDS-790  news of a study could not be taken now; it must be sent again
    ├── ValidationRoundError        CDS-785  a validation round, a case file, a key or a result can't be used
    └── LedgerError                 CDS-800  the ledger cannot be written; rows are spooled

Each class carries ``code`` (stable, greppable, documented in docs/errors.md) and, where a caller sees it,
``status``. The message is one sentence a person can act on: what was wrong, and what to do. It never
contains a patient's data.
"""

from __future__ import annotations


class CdsError(Exception):
    """Root of the tree."""

    code = "CDS-500"
    status = 500


class ConfigurationError(CdsError):
    """What an administrator or a clinical lead wrote can't be used."""

    code = "CDS-100"


class SettingsError(ConfigurationError):
    code = "CDS-101"


class PolicyError(ConfigurationError):
    code = "CDS-102"


class ManifestError(ConfigurationError):
    code = "CDS-103"


class VocabularyError(ConfigurationError):
    code = "CDS-104"


class ServiceError(ConfigurationError):
    code = "CDS-105"


class RuntimeConflict(ConfigurationError):
    code = "CDS-106"


class CharterError(ConfigurationError):
    code = "CDS-107"


class GuidelineError(ConfigurationError):
    code = "CDS-109"


class RequestError(CdsError):
    """The caller sent something that can't be answered."""

    code = "CDS-400"
    status = 400


class MalformedRequest(RequestError):
    pass


class NotAuthenticated(RequestError):
    """``str(error)`` is for the log only: the caller gets 401 and no reason."""

    code = "CDS-401"
    status = 401


class ForeignServer(RequestError):
    code = "CDS-403"
    status = 403


class UnknownService(RequestError):
    code = "CDS-404"
    status = 404


class RequestTimeout(RequestError):
    code = "CDS-408"
    status = 408


class MissingData(RequestError):
    code = "CDS-412"
    status = 412


class RequestTooLarge(RequestError):
    code = "CDS-413"
    status = 413


class WrongMediaType(RequestError):
    code = "CDS-415"
    status = 415


class ReportRefused(CdsError):
    """``str(error)`` is for the log; the reader gets the catalogue's sentence for the code, in their language."""

    code = "CDS-300"
    status = 400


class MalformedLaunch(ReportRefused):
    code = "CDS-301"


class ForeignIssuer(ReportRefused):
    code = "CDS-302"
    status = 403


class LaunchLost(ReportRefused):
    code = "CDS-303"


class LaunchDenied(ReportRefused):
    code = "CDS-304"
    status = 403


class LaunchFailed(ReportRefused):
    code = "CDS-305"
    status = 502


class NoPatient(ReportRefused):
    code = "CDS-306"
    status = 403


class LinkInvalid(ReportRefused):
    code = "CDS-307"
    status = 403


class LinkExpired(ReportRefused):
    code = "CDS-308"
    status = 410


class ForeignCard(ReportRefused):
    code = "CDS-309"
    status = 403


class UnknownCard(ReportRefused):
    code = "CDS-310"
    status = 404


class NoReportSession(ReportRefused):
    code = "CDS-311"
    status = 401


class ForeignForm(ReportRefused):
    code = "CDS-312"
    status = 403


class NoCards(ReportRefused):
    code = "CDS-313"
    status = 404


class ConsoleRefused(CdsError):
    """``str(error)`` is for the log; the reader gets the catalogue's sentence for the code."""

    code = "CDS-320"
    status = 403


class NotSignedIn(ConsoleRefused):
    code = "CDS-321"
    status = 401


class SignInFailed(ConsoleRefused):
    code = "CDS-322"
    status = 403


class NotAllowed(ConsoleRefused):
    code = "CDS-323"
    status = 403


class NothingThere(ConsoleRefused):
    code = "CDS-324"
    status = 404


class SourceError(CdsError):
    """A source of patient data failed. Never reaches the caller as an error: the card names the gap."""

    code = "CDS-600"


class SourceTimeout(SourceError):
    code = "CDS-601"


class SourceUnreachable(SourceError):
    code = "CDS-602"


class SourceRefused(SourceError):
    code = "CDS-603"


class SourceMalformed(SourceError):
    code = "CDS-604"


class SourceForeign(SourceError):
    code = "CDS-605"


class SourceUnsupported(SourceError):
    code = "CDS-606"


class ModelError(CdsError):
    code = "CDS-700"


class ModelServerError(ModelError):
    code = "CDS-701"

    def __init__(self, message: str, answered: int = 0) -> None:
        """``answered``: status of the server's answer; 0 where there was none."""
        super().__init__(message)
        self.answered = answered


class SelfTestFailed(ModelError):
    code = "CDS-702"


class OutOfMemory(ModelError):
    code = "CDS-703"


class ImagingError(CdsError):
    """Images can't be fetched or assessed. The result is "indeterminate" with the reason, never "negative"."""

    code = "CDS-750"


class ChartsUnavailable(CdsError):
    code = "CDS-760"


class CommitteeError(CdsError):
    code = "CDS-770"

    def __init__(self, message: str, key: str = "", **values: object) -> None:
        """``key``: the same sentence in the console's catalogues (``committee.acted.why``), with ``values`` in it."""
        super().__init__(message)
        self.key, self.values = key, values


class OutcomeFileError(CommitteeError):
    """Names lines, never what stands in them: they hold patients' numbers."""

    code = "CDS-771"


class ReplayFailed(CdsError):
    code = "CDS-775"


class AuditFailed(CdsError):
    code = "CDS-776"


class CohortError(CdsError):
    code = "CDS-780"


class Overloaded(CdsError):
    """Nothing of the call was begun: its token is still good, and it may be sent again."""

    code = "CDS-503"
    status = 503

    def __init__(self, retry_after_s: int) -> None:
        """``retry_after_s``: when it is worth asking again, in whole seconds."""
        super().__init__(
            "The service has more calls in hand than it can answer in time, so this one was not begun and gets no "
            "cards; it may be sent again after Retry-After"
        )
        self.retry_after_s = retry_after_s


class NotTaken(CdsError):
    """Nothing is lost: whoever brought the news brings it again."""

    code = "CDS-790"
    status = 503


class LedgerError(CdsError):
    code = "CDS-800"
    status = 503


class ValidationRoundError(CdsError):
    """Nothing has left the hospital, and nothing was pooled."""

    code = "CDS-785"

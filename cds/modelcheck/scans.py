"""Networks that read scans: the self-test against the known answers that came with an import."""

from __future__ import annotations

from collections.abc import Iterator

from cds.errors import ModelError
from cds.modelcheck.subject import Finding, Subject


def findings(subject: Subject) -> Iterator[Finding]:
    bundle = subject.manifest.runtime.volume
    if bundle is None or bundle.golden is None:
        return
    from cds.inference.volumes import golden  # SciPy comes with the extra 'imaging'

    try:
        for miss in golden.misses(bundle, subject.model.folder):
            yield subject.finding(f"self-test: {miss}", "runtime", "volume", "golden")
    except ModelError as error:
        yield subject.finding(f"self-test: {error}", "runtime", "volume", "golden")

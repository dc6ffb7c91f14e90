"""sekmet, the FHIR server of the system tests, with family histories searchable.

Its table of search parameters lacks FamilyMemberHistory and has no setting for it; the table is a private name of the
package, whose version is therefore pinned.
"""

from __future__ import annotations

import sys

from sekmet.cli import app
from sekmet.fhir import search_params

search_params._DEFS["FamilyMemberHistory"] = "patient:reference:patient:Patient\nstatus:token:status\ndate:date:date"
found = search_params._parse()
search_params.PARAMS.clear()
search_params.PARAMS.update(found)

if __name__ == "__main__":
    app(sys.argv[1:])

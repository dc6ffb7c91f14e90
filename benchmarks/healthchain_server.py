"""The nearest open peer, as its documentation shows it: FHIR adapter, typed Document, a rule, cards.

Runs in its own virtual environment: ``uvicorn healthchain_server:app``. The rule is as small as one can be: is the
newest haemoglobin A1c 6.5 % or more? Its input is the prefetch as FHIR objects, which is what the adapter is for.
"""

from __future__ import annotations

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.io import CdsFhirAdapter
from healthchain.models import Card, CDSRequest, CDSResponse

app = HealthChainAPI(title="bench")
cds = CDSHooksService()
adapter = CdsFhirAdapter(hook_name="patient-view")


@cds.hook("patient-view", id="bench", title="One rule")
def one_rule(request: CDSRequest) -> CDSResponse:
    doc = adapter.parse(request)
    bundle = doc.fhir.prefetch_resources["observations"]
    cards = []
    for entry in bundle.entry or []:
        lab = entry.resource
        if lab.code.coding[0].code == "4548-4" and lab.valueQuantity is not None:
            if lab.valueQuantity.value >= 6.5:
                cards.append(Card(summary="HbA1c of 6.5 % or more", indicator="info", source={"label": "bench"}))
            break
    return CDSResponse(cards=cards)  # through the Document, an empty list would be an error


app.register_service(cds, path="/cds")

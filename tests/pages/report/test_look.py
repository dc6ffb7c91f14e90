import time
from report_house import Reports
def test_look(reports: Reports):
    for story, service, hook in (("new-diabetes","pancreas-risk","patient-view"),("jaundice-head","pancreas-risk","patient-view"),("folfirinox-falling","pancreas-first-line","order-sign"),("wrong-unit","pancreas-risk","patient-view")):
        cards = reports.cards(story, service, hook)
        print(story, [c["summary"] for c in cards])
        if not cards: continue
        r = reports.open(story, cards[0])
        for n in range(3):
            t=time.perf_counter(); a=r.get(); print(story, a.status_code, len(a.data), (time.perf_counter()-t)*1000)
        import pathlib; pathlib.Path(f"/tmp/{story}.html").write_bytes(a.data)
    print(a.headers)

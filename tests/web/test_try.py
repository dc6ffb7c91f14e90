from smart_house import *
def test_try(house):
    for p in ("new-diabetes","jaundice-head"):
        r=house.opened(p)
        print(r.status_code, r.url, len(r.text))
        open(f"/tmp/report-{p}.html","w").write(r.text)
        assert r.status_code==200, r.text[:3000]

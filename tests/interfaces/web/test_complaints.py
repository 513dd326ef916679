"""A visit hears what the page complains about: without that, no other test here says anything."""

from __future__ import annotations

ACTS = {
    "() => console.warn('careful')": "console warning: careful",
    "() => { setTimeout(() => { throw new Error('broken'); }); }": "thrown: broken",
    "() => { new Image().src = 'http://192.0.2.1/x.png'; }": "192.0.2.1",
    "() => fetch('/no/such/path').then(() => null)": "status of 404",
    "() => { document.body.setAttribute('style', 'color: red'); }": "style",
    "() => { document.body.append(document.createElement('script')); "
    "document.querySelector('body > script:last-child').text = 'x'; }": "script",
}


def test_what_the_page_complains_about_is_heard(visit):
    there = visit("digits")
    for act, complaint in ACTS.items():
        assert there.complaints == []
        there.page.evaluate(act)
        there.settled()
        assert any(complaint in line for line in there.complaints), (act, there.complaints)
        there.complaints.clear()

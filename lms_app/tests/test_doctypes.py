"""What DocTypes declare, as far as it can be seen without a site."""

import json
from pathlib import Path

DOCTYPES = Path(__file__).parents[1] / "lms_app" / "lms_app" / "doctype"


def test_pictures_that_every_guest_sees_are_uploaded_as_public_ones():
    declared = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DOCTYPES.glob("*/*.json"))]
    pictures = {
        (doctype["name"], field["fieldname"]): field.get("make_attachment_public")
        for doctype in declared
        for field in doctype["fields"]
        if field["fieldtype"] in ("Attach", "Attach Image")
    }
    # A signature is printed into the certificates of who earned them, and never sent by itself.
    private = {("Academy Certificate Signature", "picture"): None}
    assert pictures == {("Academy Course", "cover"): 1, ("Academy Settings", "logo"): 1, **private}
    # Whatever else is attached to a course is nobody's business.
    assert not any(doctype.get("make_attachments_public") for doctype in declared)


def test_every_field_that_a_search_shows_is_there():
    for path in sorted(DOCTYPES.glob("*/*.json")):
        doctype = json.loads(path.read_text(encoding="utf-8"))
        fields = {field["fieldname"] for field in doctype["fields"]}
        shown = {name for name in doctype.get("search_fields", "").split(",") if name}
        assert shown <= fields, doctype["name"]

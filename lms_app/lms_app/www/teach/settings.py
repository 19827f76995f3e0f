"""The settings of a course: what it says of itself, and how pupils join."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import teach
from lms_app.services import access, authoring, choices, reasons, release, rights, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the settings, or keep them where a form asks for that; what was typed stays in the form."""
    form = frappe.form_dict
    if pages.is_form():
        pages.act(context, lambda: _obey(form))
    page = pages.show_to_staff(context, "settings", _("Settings"), _load)
    if page is None:
        return
    if context.trouble and not form.get("deed"):
        page.settings.update(_sent(form), slug=form.get("address"), seen=form.get("seen"))
        for one in page.prerequisites:
            one.is_chosen = one.value in page.settings.prerequisites.split()
    context.update(
        {
            "roles": choices.of("Academy Course Instructor", "role"),
            "typed": form if context.trouble and form.get("deed") else {},
            "most_days": release.MOST_DAYS,
            "choose": lambda field: choices.of(access.COURSE, field),
            "modes": authoring.modes(page.settings.enrolment_mode),
            "said": None if context.trouble else form.get("said"),
        }
    )


def _load(course: frappe._dict) -> frappe._dict:
    reasons.deny("" if course.may_edit else rights.NOT_STAFF)
    return frappe._dict(
        settings=authoring.settings(course.name),
        prerequisites=authoring.prerequisites(course.name, frappe.session.user),
        teachers=authoring.teachers(course.name),
    )


def _sent(form: frappe._dict) -> dict[str, str]:
    """Return what was sent of the settings; a box that is not checked, and a list without a choice, are not sent."""
    checks = {field: "1" if form.get(field) else "" for field in authoring.CHECKS}
    chosen = "\n".join(frappe.request.form.getlist("prerequisites"))
    return {**checks, **{field: form[field] for field in authoring.OF_COURSE if field in form}, "prerequisites": chosen}


def _obey(form: frappe._dict) -> str:
    course = teaching.course(form.slug, frappe.session.user)
    user, deed = str(form.get("user") or ""), form.get("deed")
    if deed == "name-teacher":
        teach.name_teacher(course.name, user, str(form.get("role") or ""), bool(form.get("is_shown")))
    elif deed == "dismiss-teacher":
        teach.dismiss_teacher(course.name, user)
    else:
        return _keep(course, form)
    return f"/teach/c/{course.slug}/settings?said=kept#teachers"


def _keep(course: frappe._dict, form: frappe._dict) -> str:
    # The address of the page has a slug as well.
    sent = {**_sent(form), "slug": form.get("address") or form.slug}
    slug = teach.change_course(course.name, form.get("over") or form.get("seen") or "", sent)["course"]
    files = frappe.local.request.files
    if "file" in files and files["file"].filename:
        teach.upload_cover(course.name)
    return f"/teach/c/{slug}/settings?said=kept"

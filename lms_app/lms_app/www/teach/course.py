"""The outline of a course, for its teachers: modules and lessons in their order, and whether pupils find it."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import teach
from lms_app.services import authoring, choices, durations, release, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in modules and lessons, drafts among them; change them where a form asks for that."""
    form = frappe.form_dict
    if pages.is_form():
        pages.act(context, lambda: _obey(form, f"/teach/c/{form.slug}"))
    page = pages.show_to_staff(context, "outline", _("Outline"), lambda course: authoring.outline_page(course.name))
    if page is None:
        return
    context.update(
        {
            "duration": durations.words,
            "most_days": release.MOST_DAYS,
            "kinds": choices.of(authoring.LESSON, "kind"),
            "rules": choices.of(authoring.MODULE, "release_rule"),
            "said": None if context.trouble else form.get("said"),
            "typed": form if context.trouble else {},
        }
    )


def _obey(form: frappe._dict, path: str) -> str:
    deed, name, title = form.get("deed"), form.get("name") or "", form.get("title") or ""
    position = frappe.utils.cint(form.get("position"))
    if deed == "status":
        teach.set_course_status(_course(form), form.get("status") or "")
        return path
    if deed == "add-module":
        return f"{path}#m-{teach.add_module(_course(form), title)['module']}"
    if deed == "change-module":
        teach.change_module(name, {field: form[field] for field in authoring.OF_MODULE if field in form})
        return f"{path}#m-{name}"
    if deed == "place-module":
        teach.place_module(name, position)
        return f"{path}#m-{name}"
    if deed == "remove-module":
        teach.remove_module(name)
        return f"{path}?said=removed"
    if deed == "add-lesson":
        return f"{path}/l/{teach.add_lesson(name, title, form.get('kind') or 'Page')['lesson']}"
    if deed == "place-lesson":
        teach.place_lesson(name, form.get("module") or "", position)
        return f"{path}#l-{name}"
    if deed == "remove-lesson":
        teach.remove_lesson(name)
        return f"{path}?said=removed"
    return path


def _course(form: frappe._dict) -> str:
    return teaching.course(form.slug, frappe.session.user).name

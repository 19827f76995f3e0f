"""What the pages below /learn, /teach and /verify have in common: how they begin, refuse, and answer forms.

Pages are Jinja templates in `www`, found through `website_route_rules`. A form is sent to the address of its own page,
so that it works without JavaScript; what came of it is said on the page that follows.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import frappe
from frappe import _
from frappe.website.page_renderers.template_page import TemplatePage
from werkzeug.wrappers import Response

from lms_app import compiled
from lms_app.deadlocks import tried_again
from lms_app.overrides.visitor_page import FIRST
from lms_app.services import access, branding, cover, dates, grading_queue, reasons, rights, teaching

LONGEST_FILE = 2_000_000
STATUS = {rights.UNKNOWN: 404}
# The page that stands where there is none.
MISSING = "learn/missing"


class LearnPage(TemplatePage):
    """The page renderer of these pages; see Frappe's `page_renderer` hook. It lets a page choose its status."""

    def can_render(self) -> bool:
        """Say whether this is one of the pages, or an address below them where there is nothing: MISSING says so then.

        What the school has made itself at such an address is left to Frappe.
        """
        if self.path.split("/")[0] not in ("learn", "teach", "verify"):
            return False
        if not super().can_render() and not any(kind(self.path).can_render() for kind in FIRST):
            self.path = MISSING
            self.set_template_path()
        return bool(super().can_render())

    def init_context(self) -> None:
        """Begin with nothing: what Frappe's own pages begin with takes longer than all else on ERPNext.

        It looks through every workspace of the desk for the apps that somebody may open, which these pages do not show.
        """
        self.context = frappe._dict()

    def render_template(self) -> str:
        """Return the page, by templates that are compiled once."""
        return str(compiled.environment().get_template(self.template_path).render(self.context))

    def render(self) -> Response:
        """Return the page as it is, with the status that it has in its context; HEAD gets the same without a body."""
        return self.build_response(self.get_html(), self.context.get("status"))

    def update_toc(self, html: str) -> str:
        """Return the page as it is: Frappe would put lists of its own pages where somebody wrote {index} or {next}."""
        return html


def begin(context: frappe._dict, title: str) -> None:
    """Fill in what every page shows: the school's brand, who is looking, and the page's title."""
    user = frappe.session.user
    guest = user == rights.GUEST
    context.update(
        {
            "brand": branding.brand(),
            "page_title": title,
            "language": frappe.local.lang or "en",
            "direction": branding.direction(frappe.local.lang),
            "icon": frappe.db.get_single_value("Website Settings", "favicon") or "data:,",
            "guest": guest,
            "teaches": not guest and access.teaches(user),
            "staff": not guest and frappe.db.get_value("User", user, "user_type") == "System User",
            # A guest's page is the same for all guests, so it bears no token.
            "token": "" if guest else frappe.sessions.get_csrf_token(),
            "here": frappe.local.request.path,
            "draw": cover.draw,
            "dates": frappe._dict(day=dates.day, moment=dates.moment),
            "build": frappe.utils.get_build_version(),
        }
    )


def show(context: frappe._dict, title: str, load: Callable[[], frappe._dict]) -> frappe._dict | None:
    """Begin a page with what a service says of it; return that, or None where there is nothing to show.

    An old address leads to the new one. Who has to log in is led there and back; who may not see it is told why.
    """
    try:
        page = load()
    except reasons.DeniedError as fault:
        if fault.reason == rights.LOG_IN:
            go(f"/login?redirect-to={quote(frappe.local.request.path)}", status=302)
        refuse(context, title, fault)
        return None
    if page.get("moved"):
        moved = page.moved
        go(moved if moved.startswith("/") else f"/learn/c/{moved}", status=301)
    begin(context, title)
    context.page = page
    return page


def show_to_staff(
    context: frappe._dict, tab: str, title: str, load: Callable[[frappe._dict], frappe._dict]
) -> frappe._dict | None:
    """Begin a page of the course in the address, for its teachers, as `show` does.

    tab: of the course's navigation. load: takes what `teaching.course` says of it, which the page finds as `course`.
    """

    def found() -> frappe._dict:
        course = teaching.course(frappe.form_dict.slug, frappe.session.user)
        if course.moved:
            here = frappe.local.request.path
            return frappe._dict(moved=here.replace(f"/c/{frappe.form_dict.slug}", f"/c/{course.moved}", 1))
        context.update({"course": course, "tab": tab, "unlisted": True})
        return load(course)

    page = show(context, title, found)
    if page is not None:
        context.page_title = f"{title} · {context.course.title}"
    return page


def show_to_grade(context: frappe._dict, load: Callable[[], frappe._dict], *, of_course: bool) -> frappe._dict | None:
    """Begin a page on which something of the grading queue is read, as `show` does, with what follows it there.

    load: returns what `grading_queue` says of it; the page finds in it next (the address of what is read then, empty
    where nothing is) and left (how many wait). of_course: whether the queue is kept to its course, which the page finds
    as `course`; and as `within` what the addresses of such a queue end with.
    """

    def found() -> frappe._dict:
        read = load()
        one, left = grading_queue.following(frappe.session.user, read, of_course=of_course)
        slug = read.course.slug if of_course else ""
        return read.update(next=grading_queue.address(one, slug) if one else "", left=left)

    page = show(context, _("Grading"), found)
    if page is not None:
        within = f"?{urlencode({'course': page.course.slug})}" if of_course else ""
        context.update({"course": page.course if of_course else None, "within": within})
        context.update({"tab": "grading", "unlisted": True})
    return page


def refuse(context: frappe._dict, title: str, fault: reasons.DeniedError) -> None:
    """Show why there is nothing to see here."""
    frappe.clear_messages()
    begin(context, title)
    context.denied = str(fault)
    context.status = STATUS.get(fault.reason, 403)


def act(context: frappe._dict, deed: Callable[[], str]) -> None:
    """Do what a form asks for, and go where the deed says, or nowhere; what stands in its way is shown on the page."""
    if target := done(context, deed):
        go(target, status=303)


def done(context: frappe._dict, deed: Callable[[], Any]) -> Any:
    """Do what a form asks for, and return what the deed does; None where something stands in its way, which is shown.

    The page finds it as `trouble` in words, as `fault`, and, where somebody has saved meanwhile, the stamp of now as
    `newer`. For what is shown once, on the page that answers the form; `act` for everything else.
    """
    try:
        result = tried_again(deed)()
    except (reasons.DeniedError, reasons.RefusedError, reasons.MalformedError) as fault:
        frappe.db.rollback()
        frappe.clear_messages()
        newer = fault.details.get("seen") if isinstance(fault, reasons.RefusedError) else None
        context.update({"trouble": str(fault), "fault": fault, "newer": newer})
        context.status = fault.http_status_code
        return None
    except Exception:
        # Frappe makes a page of it, and would commit what was done before.
        frappe.db.rollback()
        raise
    # Said before the redirect, which Frappe answers like a fault.
    frappe.db.commit()  # nosemgrep
    return result


def is_form() -> bool:
    """Say whether this is a form that was sent, and not a page that is asked for."""
    return frappe.local.request.method == "POST"


def number(text: Any) -> int:
    """Return the number of a page, or another that counts from 1 on, as an address or a form has it."""
    said = str(text or "1")
    return max(1, int(said)) if said.isascii() and said.isdigit() and len(said) < 6 else 1


def linked(path: str, **chosen: str) -> Callable[..., str]:
    """Return what gives the address of a list with some of its filters, or its page, changed."""

    def link(**changed: str | int) -> str:
        query = urlencode({name: value for name, value in {**chosen, **changed}.items() if value and value != 1})
        return f"{path}?{query}" if query else path

    return link


def table_of(form: frappe._dict) -> str:
    """Return the text of a form: of its file if one was chosen, else of its field `text`."""
    sent = frappe.request.files.get("file")
    # One more than any of our readers takes, so that it says so.
    content = sent.stream.read(LONGEST_FILE) if sent and sent.filename else b""
    return content.decode("utf-8", errors="replace") if content else str(form.get("text") or "")


def go(target: str, *, status: int) -> None:
    """Lead the browser to another address of this school."""
    # Frappe writes letters that are not ASCII into the header as those of a page, which no browser reads there.
    frappe.flags.redirect_location = quote(target, safe="/?#=&%")
    raise frappe.Redirect(status)

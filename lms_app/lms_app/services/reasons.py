"""Why something is not to be had: the codes of all services, in words, and the errors that carry them."""

from datetime import datetime
from typing import Any, NoReturn

import frappe
from frappe import _

from lms_app.services import dates


class DeniedError(frappe.PermissionError):
    """Carry why somebody may not see or do something (403)."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RefusedError(frappe.ValidationError):
    """Carry why something that somebody may do cannot be done now (409), and details that a page needs to go on."""

    http_status_code = 409

    def __init__(self, reason: str, sentence: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.details = details or {}


class MalformedError(frappe.ValidationError):
    """Carry why a request is one that no page of ours sends (400)."""

    http_status_code = 400

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def deny(reason: str, until: datetime | None = None, by: str | None = None) -> None:
    """Raise DeniedError, and say why in the answer; nothing happens without a reason. until, by: see `words`."""
    if reason:
        raise DeniedError(reason, _tell(reason, words(reason, until, by)))


def refuse(reason: str, until: datetime | None = None) -> None:
    """Raise RefusedError, and say why in the answer; nothing happens without a reason. until: see `words`."""
    if reason:
        raise RefusedError(reason, _tell(reason, words(reason, until)))


def refuse_with(reason: str, sentence: str, **details: Any) -> NoReturn:
    """Raise RefusedError with a sentence that only its service can say; details are in the answer as well."""
    frappe.local.response.update(details)
    raise RefusedError(reason, _tell(reason, sentence), details)


def reject(reason: str) -> None:
    """Raise MalformedError, and say why in the answer; nothing happens without a reason."""
    if reason:
        raise MalformedError(reason, _tell(reason, words(reason)))


def _tell(reason: str, sentence: str) -> str:
    """Put a reason into the answer of an endpoint: as a code for its page, in words for everybody else."""
    frappe.local.response["reason"] = reason
    frappe.msgprint(sentence, indicator="red")
    return sentence


def words(reason: str, until: datetime | None = None, by: str | None = None) -> str:
    """Return a reason in the reader's language.

    until: when it opens. by: the title of what comes first.
    """
    if reason == "not_before":
        return _("Opens on {0}").format(dates.moment(until)) if until else _("Not open yet")
    if reason == "quiz_not_open" and until:
        return _("This quiz opens on {0}").format(dates.moment(until))
    if reason == "cooldown" and until:
        return _("You can try again on {0}").format(dates.moment(until))
    if reason == "module_first":
        return _("Complete “{0}” first").format(by or "")
    if reason == "lesson_first":
        return _("Complete “{0}” first").format(by or "")
    return _sentences().get(reason, reason)


def _sentences() -> dict[str, str]:
    # In a function: the language is the reader's, not the process's.
    return {
        "": "",
        "unknown": _("There is nothing at this address."),
        "not_published": _("This course is not open to pupils."),
        "log_in": _("Log in to see this."),
        "not_enrolled": _("This is for pupils of the course."),
        "not_staff": _("This is for teachers of the course."),
        "no_teacher": _("This is for those who teach."),
        "pending_payment": _("Your place is kept until you have paid."),
        "pending_approval": _("The school has still to approve your request."),
        "waitlisted": _("You are on the waitlist."),
        "suspended": _("Your access to this course is suspended."),
        "expired": _("Your access to this course has ended."),
        "enrolment_not_open": _("Enrolment has not opened yet."),
        "enrolment_closed": _("Enrolment is closed."),
        "prerequisites": _("Complete the courses that this one builds on first."),
        "invite_only": _("This course is by invitation only."),
        "must_pay": _("This course has to be paid for; ask the school."),
        "by_cohort": _("The school enrols pupils of this course in groups."),
        "full": _("All seats are taken."),
        "already_enrolled": _("You have joined this course already."),
        "not_pending": _("This request has been answered already."),
        "not_active": _("Only a pupil who is learning can be suspended."),
        "not_suspended": _("This pupil is not suspended."),
        "certificate_revoked": _("This certificate has been taken back."),
        "not_revoked": _("This certificate has not been taken back."),
        "no_reason": _("Write down why."),
        "not_declared": _("This lesson is completed by what you do in it."),
        "quiz_closed": _("This quiz is closed."),
        "no_attempts_left": _("You have used all your attempts."),
        "too_few_questions": _("This quiz has fewer questions than it wants; tell the school."),
        "already_submitted": _("This attempt has been handed in already."),
        "not_submitted": _("This attempt has not been handed in yet."),
        "time_over": _("The time is up: this came too late."),
        "bad_points": _("The answer cannot have so many points."),
        "unknown_question": _("There is no such question in this attempt."),
        "foreign_option": _("This is no option of the question."),
        "repeated_option": _("The answer names something twice."),
        "bad_answer": _("This is no answer to the question."),
        "unexpected": _("The request says more than it may."),
        "assignment_closed": _("This assignment is closed."),
        "no_versions_left": _("You have handed this in as often as you may."),
        "unknown_version": _("This is not the version that comes next; load the page anew."),
        "already_handed_in": _("This version has been handed in already."),
        "nothing_handed_in": _("Write something or add a file first."),
        "no_files_taken": _("This assignment takes no files."),
        "no_file_sent": _("There is no file in it."),
        "too_many_files": _("No more files can be added to this."),
        "bad_file_type": _("Files of this type are not taken here."),
        "bad_file_content": _("This file is not of the type that its name says."),
        "file_too_big": _("This file is too big."),
        "empty_file": _("This file is empty."),
        "bad_url": _("This is not the address of a web page."),
        "not_handed_in": _("This has not been handed in yet."),
        "replaced": _("A newer version has been handed in."),
        "already_told": _("The pupil has been told a grade already."),
        "not_judged": _("Give points, or choose a level for each criterion."),
        "bad_grade": _("The work cannot have so many points."),
        "unknown_criterion": _("The rubric has no such criterion."),
        "unknown_level": _("The criterion has no such level."),
        "no_feedback": _("Write down what can be made better."),
        "until_past": _("This date has passed already."),
        "needs_until": _("Nothing is taken any more: say until when it can be handed in again."),
        "invitation_unknown": _("This invitation does not exist."),
        "invitation_used": _("This invitation has been used already."),
        "invitation_revoked": _("This invitation has been taken back."),
        "invitation_expired": _("This invitation has expired."),
        "invitation_for_another": _("This invitation is for another e-mail address."),
        "sign_up_closed": _("The school makes the accounts itself. Ask it for one."),
        "sign_up_by_invitation": _("Accounts are by invitation only: open the link that the school sent you."),
        "school_sends_no_mail": _("The school sends no mails yet, and so nobody can sign up. Ask it for an account."),
        "other_domain": _("This school takes addresses of its own alone."),
        "bad_address": _("This is no e-mail address."),
        "bad_name": _("Write the name by which the school knows you."),
        "bad_override": _("Up to 10,000 more minutes, 3,650 more days and 100 more attempts can be given."),
        "bad_day": _("This is no day and time."),
        "there_already": _("This pupil is in the course already."),
        "shut_out": _("The school has closed this account."),
        "invited_before": _("This address has an invitation that still serves."),
        "no_email_column": _("no column is called email"),
        "too_many_people": _("there are more than 300 addresses"),
        "nobody_in_it": _("there is no address in it"),
        "twice": _("this address is there twice"),
        "too_often": _("You have done this too often; try again in an hour."),
        "too_often_today": _("You have done this too often; try again tomorrow."),
        "too_long": _("This text is too long."),
        "not_confirmed": _("Write your e-mail address to confirm."),
        "no_blocks": _("there is nothing in it"),
        "no_text": _("the text is missing"),
        "no_file": _("the file is missing"),
        "no_title": _("the title is missing"),
        "no_quiz": _("the quiz is missing"),
        "no_assignment": _("the assignment is missing"),
        "no_alt_text": _("the alternative text is missing"),
        "no_captions": _("captions are missing"),
        "no_transcript": _("the transcript is missing"),
        "no_video": _("the video is missing"),
        "no_duration": _("the video's length is missing"),
        "not_embeddable": _("nothing from this address can be embedded"),
        "not_seen": _(
            "nobody can tell how much of a video at another host was watched: upload the video itself, or let the"
            " lesson be completed by hand or by being opened"
        ),
        "bad_recipe": _("the recipe is incomplete"),
        "foreign_file": _("the file belongs to something else"),
        "no_question": _("the question or the bank is missing"),
        "foreign_question": _("this belongs to another course"),
        "no_criterion": _("there is no criterion"),
        "same_criterion": _("two criteria have the same title"),
        "no_level": _("a criterion has no level"),
        "foreign_level": _("a level names no criterion of the rubric"),
        "same_level": _("a criterion has two levels of the same title"),
        "no_points": _("no level has points"),
        "no_instructions": _("Write what is to be done."),
        "work_handed_in": _("Pupils have begun to hand in to this: it is kept with their work."),
        "assignment_in_lesson": _("A lesson has this assignment: take it out there first."),
        "quiz_taken": _("Pupils have begun this quiz: it is kept with their answers."),
        "quiz_in_lesson": _("A lesson has this quiz: take it out there first."),
        "rubric_in_assignment": _("An assignment is judged by this rubric: take it out there first."),
        "level_without_title": _("A level has points or words, and no title."),
        "level_without_criterion": _("A level has no criterion: write the title of what it judges."),
        "too_many_rows": _("There are more criteria or levels than anybody could judge by."),
        "number_out_of_range": _("One of the numbers is none, is below 0, or is larger than it may be."),
        "few_options": _("there must be two options at least"),
        "no_right_option": _("no option is right: one needs the weight 100"),
        "same_option": _("two options say the same"),
        "no_key": _("a key is missing: what is accepted as right"),
        "no_truth": _("it is not said whether the statement is true"),
        "bad_number": _("this is no number"),
        "bad_gaps": _("the gaps of the text and those of the keys are not the same"),
        "no_answer_part": _("the answers in braces are missing"),
        "unclosed": _("a brace or a quotation mark is not closed"),
        "bad_weight": _("a weight must be a number from -100 to 100 between percent signs"),
        "bad_pair": _("a pair is incomplete"),
        "bad_kind": _("there is no such kind of question"),
        "bad_points_column": _("points must be a number from 0 to 1000"),
        "no_column": _("the columns kind, question and right are needed"),
        "too_many": _("there are more than 500 questions"),
        "nothing_to_import": _("there is no question in it"),
        "bad_form": _("The format must be GIFT or CSV."),
        "bad_block": _("There is no such kind of block."),
        "bad_status": _("There is no such status."),
        "too_many_blocks": _("A lesson has 200 blocks at most: make two of it."),
        "wrong_module": _("This belongs to another course."),
        "has_learners": _("Pupils have begun this, and their progress would be lost: make it a draft instead."),
        "no_such_teacher": _(
            "Nobody with this address may do that here: a manager of the school gives the role first."
        ),
        "last_lead": _("Somebody has to lead the course."),
        "others_wait": _("Another module opens after this one: change that first."),
        "in_use": _("Something else needs this: it cannot be removed."),
        "empty_title": _("Write a title."),
        "bad_count": _("Write a whole number."),
        "nothing_sent": _("Choose a file first."),
        "bad_file": _("Files of this kind are not taken here."),
        "large_file": _("This file is too large."),
        "not_a_video": _("This is no MP4 or WebM video."),
        "not_a_sound": _("This is no MP3, Ogg or WAV sound."),
        "not_a_picture": _("This is no PNG, JPEG, WebP or GIF picture."),
        "not_captions": _("This is no WebVTT file: it begins with the letters WEBVTT."),
        "bad_weight_column": _("a percent must be a number from -100 to 100"),
        "question_asked": _("This question was asked already, and answers refer to it."),
        "question_in_quiz": _("A quiz asks for this; take it out there first."),
        "bank_not_empty": _("There are questions in this bank."),
        "bad_percent": _("The percent to pass must be from 0 to 100."),
        "bad_choice": _("Choose one of the list."),
        "no_summary": _("a summary"),
        "no_lead": _("a lead instructor"),
        "no_lesson": _("a published lesson"),
        "no_price": _("a price and its currency"),
    }

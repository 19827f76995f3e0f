from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "lms_app" / "templates" / "learn"
PUBLIC = Path(__file__).parents[1] / "lms_app" / "public"
CATALOGUE = Path(__file__).parents[1] / "lms_app" / "www" / "learn" / "index.html"


def test_the_base_template_and_its_stylesheet_stay_within_15_kb():
    assert sum((TEMPLATES / name).stat().st_size for name in ("base.html", "learn.css")) <= 15_000


def test_each_script_stays_within_15_kb():
    scripts = {path.name: path.stat().st_size for path in PUBLIC.glob("js/*.js")}
    assert scripts
    assert max(scripts.values()) <= 15_000, scripts


def test_no_page_asks_another_host_for_anything():
    for path in (*TEMPLATES.iterdir(), *TEMPLATES.with_name("teach").iterdir(), CATALOGUE):
        text = path.read_text()
        assert "http://" not in text
        assert "https://" not in text
        assert "@import" not in text


def test_the_layout_follows_the_direction_of_the_language():
    for sheet in (TEMPLATES / "learn.css", *PUBLIC.glob("css/*.css")):
        for physical in ("margin-left", "margin-right", "padding-left", "padding-right", "text-align: left", "float:"):
            assert physical not in sheet.read_text(), sheet

"""Who has the word: command line and environment first, then site.toml."""

from pathlib import Path

from dutyroom.settings import Settings

SITE = {"base_url": "https://duty.example", "smtp_host": "mail.example", "smtp_port": "25", "smtp_security": "none",
        "raw_days": "30", "rollup_days": "400", "smtp_from": "", "smtp_user": ""}  # fmt: skip


def test_site_toml_says_what_nobody_else_did(tmp_path) -> None:
    settings = Settings(site_folder=Path("x"), data=tmp_path, base_url="").of_site(SITE).checked()
    assert settings.base_url == "https://duty.example"
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_starttls) == ("mail.example", 25, False)
    assert (settings.raw_days, settings.rollup_days) == (30, 400)
    assert settings.data == tmp_path


def test_the_command_line_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DUTYROOM_RAW_DAYS", "7")
    settings = Settings(site_folder=Path("x"), data=tmp_path, base_url="http://10.0.0.5").of_site(SITE)
    assert settings.base_url == "http://10.0.0.5"
    assert settings.raw_days == 7

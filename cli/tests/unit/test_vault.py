import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from schoolctl.errors import DeclarationError
from schoolctl.schools import vault
from schoolctl.schools.vault import Vault
from tests.support.project import CHECKOUT


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(vault.VARIABLE, raising=False)
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    return tmp_path


def test_what_is_missing_is_made_once_and_only_its_owner_can_read_it(inventory: Path) -> None:
    assert vault.make(inventory)
    made = {path.name: path.read_bytes() for path in (inventory / "vault-password", Vault.of(inventory).path)}

    assert not vault.make(inventory)
    for path in (inventory / "vault-password", Vault.of(inventory).path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes() == made[path.name]
    assert re.fullmatch(r"([a-z2-9]{5}-){7}[a-z2-9]{5}", Vault.of(inventory).values()["backup_key"])


def test_no_two_vaults_have_the_same_key_or_password(inventory: Path) -> None:
    vault.make(inventory)
    first = (Vault.of(inventory).values(), (inventory / "vault-password").read_text())
    Vault.of(inventory).path.unlink()
    (inventory / "vault-password").unlink()
    vault.make(inventory)

    assert Vault.of(inventory).values() != first[0]
    assert (inventory / "vault-password").read_text() != first[1]


def test_ansible_opens_what_was_made(inventory: Path) -> None:
    vault.make(inventory)
    argv = ["ansible-vault", "view", "--vault-password-file", inventory / "vault-password", Vault.of(inventory).path]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert yaml.safe_load(done.stdout) == Vault.of(inventory).values()


def test_a_vault_of_ones_own_gets_the_key_behind_its_own_words(
    inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = tmp_path / "elsewhere"
    opener.write_text("my own password\n")
    path = Vault.of(inventory).path
    path.write_text("# mine\nedge_tls_dns_credentials: |\n  dns_token = x\n")
    subprocess.run(["ansible-vault", "encrypt", "--vault-password-file", opener, path], capture_output=True, check=True)
    monkeypatch.setenv(vault.VARIABLE, str(opener))

    assert vault.make(inventory)
    assert Vault.of(inventory).text().startswith("# mine\nedge_tls_dns_credentials: |\n  dns_token = x\n")
    assert set(Vault.of(inventory).values()) == {"edge_tls_dns_credentials", "backup_key"}
    assert not (inventory / "vault-password").exists()


def test_plain_words_are_encrypted_with_the_key(inventory: Path) -> None:
    Vault.of(inventory).path.write_text("a: b\n")
    vault.make(inventory)

    assert Vault.of(inventory).path.read_text().startswith("$ANSIBLE_VAULT;")
    assert Vault.of(inventory).values()["a"] == "b"


@pytest.mark.parametrize("words", ["{}\n", "---\n{}\n", "---\n", "# nothing yet\n"])
def test_a_vault_that_says_that_it_is_empty_gets_a_key_that_ansible_reads(inventory: Path, words: str) -> None:
    (inventory / "group_vars/all/vault.yml").write_text(words)
    assert vault.make(inventory)
    assert list(Vault.of(inventory).values()) == ["backup_key"]


def test_names_within_braces_are_left_to_a_person(inventory: Path) -> None:
    (inventory / "group_vars/all/vault.yml").write_text("{ other: secret }\n")
    with pytest.raises(DeclarationError, match="Could not add a backup key"):
        vault.make(inventory)


def test_a_vault_that_nobody_can_open_is_left_as_it_is_and_said_to_be_shut(inventory: Path) -> None:
    vault.make(inventory)
    (inventory / "vault-password").unlink()
    before = Vault.of(inventory).path.read_bytes()

    with pytest.raises(DeclarationError, match="no file with its password is known"):
        vault.make(inventory)
    (inventory / "vault-password").write_text("wrong\n")
    with pytest.raises(DeclarationError, match="does not open it"):
        vault.make(inventory)
    assert Vault.of(inventory).path.read_bytes() == before


def test_what_is_wrong_with_the_words_is_told_without_them(inventory: Path) -> None:
    Vault.of(inventory).path.write_text("a: b\nbackup_key: [canary\n")

    with pytest.raises(DeclarationError) as raised:
        Vault.of(inventory).values()
    assert "is not valid YAML, line 3" in raised.value.because
    assert "canary" not in str(raised.value) + str(raised.value.because)


@pytest.mark.parametrize("words", ["- a\n", "text\n"])
def test_what_holds_no_names_is_refused(inventory: Path, words: str) -> None:
    Vault.of(inventory).path.write_text(words)

    with pytest.raises(DeclarationError, match="holds no mapping"):
        Vault.of(inventory).values()


def test_a_name_without_a_key_is_left_to_a_person(inventory: Path) -> None:
    Vault.of(inventory).path.write_text("backup_key:\n")

    with pytest.raises(DeclarationError, match="without a value"):
        vault.make(inventory)


def test_git_takes_the_vault_but_never_what_opens_it() -> None:
    names = ["inventories/production/vault-password", "inventories/production/group_vars/all/vault.yml"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=CHECKOUT, capture_output=True, text=True)

    assert done.stdout.split() == names[:1]

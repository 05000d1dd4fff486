"""What a node of a cluster is checked for."""

from dbviz.executors import nodes
from dbviz.executors.nodes import Requirements, requirements, source_version


def test_a_node_that_shares_the_directory_and_the_version_has_what_it_needs(tmp_path):
    with requirements(tmp_path / "home") as required:
        assert required.unmet() is None
        assert required.marker is not None
        assert required.marker.parent == tmp_path / "home"
    assert list((tmp_path / "home").iterdir()) == []


def test_a_node_that_does_not_see_the_directory_is_named_with_the_remedy(tmp_path):
    with requirements(tmp_path) as required:
        elsewhere = Requirements(version=required.version, marker=tmp_path / "elsewhere" / "marker")
    message = elsewhere.unmet(patience=0.0)
    assert message is not None
    assert f"does not share {tmp_path}/elsewhere with the command: give a --home that every node sees" in message


def test_a_file_may_appear_late(tmp_path, monkeypatch):
    marker = tmp_path / "marker"
    monkeypatch.setattr(nodes.time, "sleep", lambda _: marker.touch())
    assert Requirements(version=source_version(), marker=marker).unmet(patience=5.0) is None


def test_a_node_with_another_dbviz_is_named_with_both_versions():
    message = Requirements(version="0.1.0+12345678").unmet()
    assert message is not None
    assert f"has dbviz {source_version()}, and the command 0.1.0+12345678: install the same version" in message


def test_the_version_changes_with_every_edit(tmp_path, monkeypatch):
    versions = []
    monkeypatch.setattr(nodes, "_PACKAGE", tmp_path)
    for text in ("a = 1", "a = 2"):
        (tmp_path / "module.py").write_text(text)
        versions.append(source_version.__wrapped__())
    assert versions[0] != versions[1]
    assert versions[1] == source_version.__wrapped__()

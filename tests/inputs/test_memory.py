from layerscope.inputs import memory


def test_the_least_of_what_is_known(tmp_path, monkeypatch):
    system = tmp_path / "meminfo"
    system.write_text("MemTotal: 9 kB\nMemAvailable:     8000 kB\n")
    monkeypatch.setattr(memory, "_SYSTEM", system)
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    assert memory.free_memory() == 8_192_000
    for name, text in (("max", "1000000"), ("current", "700000"), ("stat", "inactive_file 50000")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.free_memory() == 350_000
    (tmp_path / "memory.max").write_text("max")
    assert memory.free_memory() == 8_192_000


def test_where_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_SYSTEM", tmp_path / "none")
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    free = memory.free_memory()
    assert free is None or free > 0
    monkeypatch.delattr("os.sysconf", raising=False)
    assert memory.free_memory() is None

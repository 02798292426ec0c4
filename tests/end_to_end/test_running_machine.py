"""Commands beside a running `make run`."""


def test_collect_beside_a_running_set_up(running_machine):
    done = running_machine.run("collect", "--days", "3")
    assert done.returncode == 0, done.stderr
    assert "3 unchanged" in done.stdout


def test_backup_and_restore(running_machine):
    machine, run = running_machine, running_machine.runs[0]
    days = run.days()
    done = machine.run("backup")
    assert done.returncode == 0, done.stderr
    [file] = (machine.var / "backups").iterdir()
    assert str(file) in done.stdout
    wipe = "from ingest.models import SleepMetric; SleepMetric.objects.all().delete()"
    assert machine.command("manage.py", "shell", "--no-imports", "-c", wipe).returncode == 0
    assert run.days() == []
    done = machine.run("restore", str(file))
    assert done.returncode == 0, done.stderr
    assert run.days() == days

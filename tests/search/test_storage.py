import optuna
import pytest

from lossforge.errors import StudyError
from lossforge.search.storage import JOURNAL, only_search, open_storage


def test_a_torn_last_line_costs_nothing_but_itself(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.enqueue_trial({"x": 1})
    with open(tmp_path / JOURNAL, "ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "half a li')
    again = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    again.enqueue_trial({"x": 2})
    last = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    assert len(last.get_trials()) == 2


def test_a_directory_is_searched_by_one_at_a_time(tmp_path):
    with only_search(tmp_path):
        with pytest.raises(StudyError, match="Another search"), only_search(tmp_path):
            pass
    with only_search(tmp_path):
        pass


@pytest.mark.parametrize("storage", ["postgresql://nobody@localhost:1/none", "sqlite:////no/x.db"])
def test_a_storage_that_cannot_be_opened_is_named(tmp_path, storage):
    with pytest.raises(StudyError, match="Can't open the storage"):
        open_storage(storage, tmp_path)

"""What a run leaves: facts, verdicts and arrays with coordinates, in one folder."""

from firstlight.record.arrays import Array as Array
from firstlight.record.arrays import Arrays as Arrays
from firstlight.record.facts import OUTCOMES as OUTCOMES
from firstlight.record.facts import Fact as Fact
from firstlight.record.facts import Facts as Facts
from firstlight.record.facts import Outcome as Outcome
from firstlight.record.facts import Reference as Reference
from firstlight.record.facts import Verdict as Verdict
from firstlight.record.facts import fact_of as fact_of
from firstlight.record.record import RECORD_FILE as RECORD_FILE
from firstlight.record.record import Record as Record
from firstlight.record.record import load as load
from firstlight.record.record import load_facts as load_facts
from firstlight.record.record import save as save
from firstlight.record.table import Label as Label
from firstlight.record.table import Table as Table

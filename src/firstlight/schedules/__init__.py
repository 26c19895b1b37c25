"""Schedules of learning rate and batch size by samples seen, and what applies them in training."""

from firstlight.schedules.cycles import exp_range as exp_range
from firstlight.schedules.cycles import triangle as triangle
from firstlight.schedules.cycles import triangle2 as triangle2
from firstlight.schedules.cycles import whole_cycles as whole_cycles
from firstlight.schedules.sampler import CyclicBatchSampler as CyclicBatchSampler
from firstlight.schedules.sampler import SampleScheduler as SampleScheduler
from firstlight.schedules.shapes import Schedule as Schedule
from firstlight.schedules.shapes import constant as constant
from firstlight.schedules.shapes import coupled_batch_size as coupled_batch_size
from firstlight.schedules.shapes import coupled_learning_rate as coupled_learning_rate
from firstlight.schedules.shapes import one_cycle as one_cycle
from firstlight.schedules.shapes import ramp as ramp
from firstlight.schedules.shapes import sgd_noise_scale as sgd_noise_scale

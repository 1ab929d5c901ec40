//! The settings of the provider: how many jobs run and wait.

use pylon_core::schedule::SchedulerLimits;
use pylon_core::settings::{InvalidSetting, Section};
use serde::{Deserialize, Serialize};

const CONCURRENT_JOBS_MAX: u32 = 256;
const QUEUED_JOBS_MAX: u32 = 100_000;
/// Seconds of waiting that count as one step of priority.
const AGEING_SECONDS: u64 = 30;

/// How many jobs run and wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Jobs that run at the same time.
    pub max_concurrent_jobs: u32,
    /// Jobs that wait, for a worker or for a payment; further ones are answered "busy".
    pub max_queued_jobs: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_concurrent_jobs: 1, max_queued_jobs: 64 }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        for (key, value, max) in [
            ("max_concurrent_jobs", self.max_concurrent_jobs, CONCURRENT_JOBS_MAX),
            ("max_queued_jobs", self.max_queued_jobs, QUEUED_JOBS_MAX),
        ] {
            if !(1..=max).contains(&value) {
                let message = format!("`{key}` is {value}: it can be 1 to {max}");
                return Err(InvalidSetting::new(&[key], message));
            }
        }
        Ok(())
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { max_concurrent_jobs, max_queued_jobs } = *next;
        Self { max_concurrent_jobs, max_queued_jobs }
    }
}

impl Config {
    pub(crate) fn limits(&self) -> SchedulerLimits {
        let concurrent = self.max_concurrent_jobs.max(1) as usize;
        SchedulerLimits {
            concurrent,
            per_customer: concurrent,
            per_kind: concurrent,
            ageing_seconds: AGEING_SECONDS,
        }
    }

    /// Jobs that run or wait.
    pub(crate) fn capacity(&self) -> usize {
        (self.max_concurrent_jobs.max(1) as usize).saturating_add(self.max_queued_jobs as usize)
    }
}

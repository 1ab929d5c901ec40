//! `[journal]`: how long the texts of finished jobs are kept. Their metadata is permanent.

use crate::Retention;
use pylon_core::settings::{InvalidSetting, Section};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: u64 = 86_400;
const MIB: u64 = 1 << 20;
const KEEP_TEXT_DAYS_MAX: u32 = 3650;
const KEEP_TEXT_MB_MAX: u32 = 1024 * 1024;

/// How long texts are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Days after a job ends; 0 keeps its texts until it is finished and delivered.
    pub keep_text_days: u32,
    /// MiB in total; the oldest texts are deleted first.
    pub keep_text_mb: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep_text_days: 30, keep_text_mb: 1024 }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        let Self { keep_text_days: days, keep_text_mb: mb } = *self;
        if days > KEEP_TEXT_DAYS_MAX {
            return Err(InvalidSetting::new(
                &["keep_text_days"],
                format!("`keep_text_days` is {days}: it can be 0 to {KEEP_TEXT_DAYS_MAX}"),
            ));
        }
        if !(1..=KEEP_TEXT_MB_MAX).contains(&mb) {
            return Err(InvalidSetting::new(
                &["keep_text_mb"],
                format!("`keep_text_mb` is {mb}: it can be 1 to {KEEP_TEXT_MB_MAX}"),
            ));
        }
        Ok(())
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { keep_text_days, keep_text_mb } = *next;
        Self { keep_text_days, keep_text_mb }
    }
}

impl Config {
    /// The retention that these settings ask for.
    pub fn retention(&self) -> Retention {
        Retention {
            seconds: u64::from(self.keep_text_days) * DAY_SECONDS,
            bytes: u64::from(self.keep_text_mb) * MIB,
        }
    }
}

//! Releases that end while their guests serve, by their time or by the word of their author. Where the rules ask for releases, a start refuses such a
//! guest; here it goes, as one that fails does, and a shadow goes anyway.

use super::Workshop;
use super::by_itself::Cause;
use crate::history;
use crate::keeper::STEP_SECONDS;
use crate::record::dismissed;
use crate::watch::Alarm;
use futures::future::join_all;
use pylon_core::UnixTime;
use pylon_core::ports::journal::Journal;

impl Workshop {
    /// Takes out whose release is over by now.
    pub async fn hold_to_releases(&self, journal: &dyn Journal, now: UnixTime) {
        for (seat, why) in self.over(now).await {
            self.replace(seat, &Cause::Over(why), journal, now).await;
        }
        let mut state = self.state.lock().await;
        let bench = self.bench(&state.config);
        let over = state.shadows().filter_map(|(slot, shadow)| {
            let why = format!(
                "its release does not hold any more: {}",
                bench.is_over(slot, shadow, now)?
            );
            Some(dismissed("shadow", slot, shadow, &why, now))
        });
        let rows: Vec<_> = over.flatten().collect();
        if let Err(error) = self.write(&mut state, journal, rows).await {
            tracing::error!(%error, "a shadow whose release is over was not taken out");
        }
    }

    /// Who serves with a release that is over, and why it is.
    async fn over(&self, now: UnixTime) -> Vec<(Alarm, &'static str)> {
        let state = self.state.lock().await;
        let serving = history::at(&state.history, history::newest(&state.history));
        let over = serving.into_iter().filter_map(|(slot, row)| {
            let why = self.bench(&state.config).is_over(slot, row.guest.as_ref()?, now)?;
            Some((Alarm { slot, revision: row.revision }, why))
        });
        over.collect()
    }

    /// When to look again: the next release ends then of those who serve or are asked beside, or one is over and its guest could not go yet. `None`: never.
    pub async fn next_end(&self, now: UnixTime) -> Option<UnixTime> {
        let state = self.state.lock().await;
        let bench = self.bench(&state.config);
        let serving = history::guests_at(&state.history, history::newest(&state.history));
        let looks = serving.into_iter().chain(state.shadows()).filter_map(|(slot, record)| {
            let over = bench.is_over(slot, record, now).map(|_| now.plus(STEP_SECONDS));
            over.or_else(|| bench.ends_at(slot, record))
        });
        looks.min()
    }

    /// Asks the addresses that guests came from whether their authors have withdrawn them. Who does not answer has not said so.
    pub async fn ask_for_deletions(&self, now: UnixTime) {
        let state = self.state.lock().await.clone();
        let (bench, serving) = (
            self.bench(&state.config),
            history::guests_at(&state.history, history::newest(&state.history)),
        );
        let asked = serving.into_iter().chain(state.shadows()).map(async |(slot, record)| {
            if let Err(error) = bench.ask(record, now).await {
                tracing::warn!(%slot, error = format!("{error:#}"), "whether the release of a guest is withdrawn is not known");
            }
        });
        join_all(asked).await;
    }
}

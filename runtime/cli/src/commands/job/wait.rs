//! Waits for the result of a request, or for a refusal of the requested provider.

use super::display::{self, Expected, ProviderState};
use super::wait_log::WaitLog;
use crate::args::job::SubmitArgs;
use crate::output::eprint;
use anyhow::{Context, Result, bail};
use pylon_core::PublicKey;
use pylon_nostr::buyer::{Buyer, BuyerError, ProviderMessage, Request, Responses};
use pylon_nostr::nip90::{Delivered, Feedback, FeedbackStatus};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The last part of a wait, in which the relays are queried: a relay may have a result that it did
/// not forward, because it closed the subscription or was too slow.
const FINAL_QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Providers whose status is remembered.
const PROVIDERS_MAX: usize = 1000;

/// The wait for one request.
pub(super) struct Wait<'a> {
    args: &'a SubmitArgs,
    request: &'a Request,
    expected: &'a Expected,
    log: WaitLog,
    /// The latest status of each provider, and its message.
    statuses: BTreeMap<PublicKey, (FeedbackStatus, String)>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(args: &'a SubmitArgs, request: &'a Request, expected: &'a Expected) -> Self {
        let log = WaitLog::new(args.quiet);
        Self { args, request, expected, log, statuses: BTreeMap::new() }
    }

    /// The first valid result, and the text of it that was already shown.
    pub(super) async fn run(
        mut self,
        mut buyer: Buyer,
        deadline: Instant,
    ) -> Result<(Delivered, String)> {
        let (id, seconds) = (self.request.id(), self.args.timeout);
        self.log.line(&format!("Job {id}: waiting for a result, {seconds} s at most"));
        let (reader, request) = (buyer.reader().clone(), self.request);
        let left = deadline.saturating_duration_since(Instant::now());
        let final_timeout = FINAL_QUERY_TIMEOUT.min(left / 4);
        let final_query = async {
            sleep_until(deadline - final_timeout).await;
            reader.responses(request, final_timeout - final_timeout / 4).await
        };
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(final_query, interrupt);
        let mut is_queried = false;
        loop {
            let found = tokio::select! {
                message = buyer.next() => self.receive(message?)?,
                responses = &mut final_query, if !is_queried => {
                    is_queried = true;
                    self.final_result(responses)
                }
                () = sleep_until(deadline) => bail!(
                    "{} within {seconds} s: `pylon job results {id}` checks again",
                    self.failure()
                ),
                signal = &mut interrupt => {
                    signal.context("cannot wait for Ctrl-C")?;
                    bail!(
                        "interrupted, and the job still runs: `pylon job results {id}` shows its \
                         result, `pylon job cancel {id}` withdraws it"
                    )
                }
            };
            if let Some(result) = found {
                return Ok((result, self.log.take_streamed()));
            }
        }
    }

    fn receive(&mut self, message: ProviderMessage) -> Result<Option<Delivered>> {
        if message.job() != self.request.id() {
            return Ok(None);
        }
        match message {
            ProviderMessage::Feedback(feedback) => self.feedback(&feedback)?,
            ProviderMessage::Result(result) => match self.request.check(&result) {
                Ok(()) => return Ok(Some(result)),
                Err(cause) => self.log.ignored("a result", result.provider, &cause),
            },
            ProviderMessage::Unreadable { provider, why, .. } => {
                self.log.ignored("a message", provider, &why)
            }
        }
        Ok(None)
    }

    fn feedback(&mut self, feedback: &Feedback) -> Result<()> {
        let (provider, status) = (feedback.provider, feedback.status);
        if self.statuses.len() < PROVIDERS_MAX || self.statuses.contains_key(&provider) {
            self.statuses.insert(provider, (status, display::clip(&feedback.message)));
        }
        if status == FeedbackStatus::Partial {
            self.log.partial(provider, &feedback.content);
            return Ok(());
        }
        if status == FeedbackStatus::Error && self.args.provider == Some(provider) {
            bail!("the provider reports {}", reported(&display::clip(&feedback.message)));
        }
        self.log.line(&ProviderState::of_feedback(feedback, self.expected).to_string());
        // Without a requested provider, another one may still accept the job.
        if status == FeedbackStatus::Error && self.errors() == self.statuses.len() {
            self.log.line(&format!(
                "Every answer so far is an error (providers: {}): waiting for others",
                self.errors()
            ));
        }
        Ok(())
    }

    fn final_result(&mut self, responses: Result<Responses, BuyerError>) -> Option<Delivered> {
        match responses {
            Ok(responses) => {
                display::warn_unanswered(&responses);
                display::check_results(self.request, responses.messages).0.into_iter().next()
            }
            Err(error) => {
                eprint(&format!("pylon: {}", display::clip(&error.to_string())));
                None
            }
        }
    }

    fn errors(&self) -> usize {
        self.statuses.values().filter(|(status, _)| *status == FeedbackStatus::Error).count()
    }

    /// Why there is no result after the timeout.
    fn failure(&self) -> String {
        let error = self.statuses.values().find(|(status, _)| *status == FeedbackStatus::Error);
        match error {
            Some((_, message)) => format!("no result (a provider reports {})", reported(message)),
            None if !self.statuses.is_empty() => "no result".into(),
            None if self.args.provider.is_some() => "no answer from the provider".into(),
            None => "no answer from any provider (this node ignores its own requests)".into(),
        }
    }
}

/// The message of an error.
fn reported(message: &str) -> String {
    if message.is_empty() {
        "an error without a reason".into()
    } else {
        format!("an error: {message}")
    }
}

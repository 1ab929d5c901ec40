//! Sells and buys the jobs of the demo, and shows each step.

use super::customer::{Customer, KIND, TURNS};
use super::prompts::PROMPTS;
use super::steps::{DemoStep, GuestCall, JobSummary, Renderer, Total};
use crate::progress::Progress;
use anyhow::{Context, bail};
use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_node::node::Node;
use pylon_nostr::buyer::ProviderMessage;
use pylon_nostr::nip90::FeedbackStatus;
use pylon_provider::{Bus, JobStep, NodeEvent};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// The timeout for one job. A busy machine is slow.
const JOB_TIMEOUT: Duration = Duration::from_secs(300);

/// A node on the market of the demo.
pub(super) struct Session {
    pub(super) node: Node,
    pub(super) bus: Bus,
    pub(super) renderer: Renderer,
}

/// The state of the current job.
#[derive(Default)]
struct JobProgress {
    text: String,
    guests: Vec<GuestCall>,
    node_overhead_us: u64,
    /// The node has finished the job.
    finished: bool,
    /// The customer has received a result or an error.
    answered: bool,
    /// The customer has paid, and the payment is not yet recorded.
    paying: bool,
    error: Option<String>,
}

impl Session {
    /// Buys this number of jobs, one after the other.
    pub(super) async fn run(
        &mut self,
        customers: &mut [Customer],
        jobs: usize,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut total = Total { jobs, completed: 0, earned_msats: 0, elapsed_ms: 0 };
        let shown = Progress::with_output("jobs", jobs as u64);
        let turns = TURNS.iter().cycle();
        for (number, (prompt, turn)) in PROMPTS.iter().cycle().zip(turns).take(jobs).enumerate() {
            shown.update(number as u64);
            // Two equal requests within one second would be one event.
            let question = if number < PROMPTS.len() {
                (*prompt).to_owned()
            } else {
                format!("{prompt} ({})", number + 1)
            };
            let customer = customers.get_mut(*turn).context("the demo has no such customer")?;
            let job = self.job(customer, &question, (number + 1, jobs));
            let mut summary =
                tokio::time::timeout(JOB_TIMEOUT, job).await.context("the job timed out")??;
            total.completed += usize::from(summary.status == "completed");
            total.earned_msats += summary.earned_msats;
            total.elapsed_ms = millis(started);
            if jobs > 1 && number + 1 == jobs {
                summary.total = Some(total.clone());
            }
            self.renderer.show(&DemoStep::Summary(Box::new(summary)))?;
        }
        if total.completed < jobs {
            bail!("{} of {jobs} jobs have failed", jobs - total.completed);
        }
        Ok(())
    }

    /// Buys one job, from the request to the recorded payment.
    async fn job(
        &mut self,
        customer: &mut Customer,
        question: &str,
        (number, of): (usize, usize),
    ) -> anyhow::Result<JobSummary> {
        let prompt = customer.prompt(question);
        let mut observations = self.bus.listen();
        self.renderer.restart_clock();
        let started = Instant::now();
        let job = customer.ask(&prompt).await?;
        let (id, bid_msats) = (job.to_hex(), customer.profile.bid.get());
        self.renderer.show(&DemoStep::Request {
            job: id,
            number,
            of,
            kind: KIND,
            prompt: prompt.clone(),
            bid_msats,
        })?;
        let mut progress = JobProgress::default();
        while !(progress.answered && progress.finished && !progress.paying) {
            tokio::select! {
                event = observations.recv() => match event {
                    Ok(event) => self.observe(job, event, &mut progress)?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => bail!("the node has stopped"),
                },
                message = customer.next(job) => {
                    self.receive(customer, &prompt, message?, &mut progress)?;
                }
            }
        }
        self.summary(job, started, progress)
    }

    /// Shows what the node did.
    fn observe(
        &mut self,
        job: JobId,
        event: NodeEvent,
        progress: &mut JobProgress,
    ) -> anyhow::Result<()> {
        match event {
            NodeEvent::Step(of, JobStep::Native { what, wall_us }) if of == job => {
                self.renderer.show(&DemoStep::Native { job: job.to_hex(), what, wall_us })?;
            }
            NodeEvent::Step(of, JobStep::Guest { function, call, summary }) if of == job => {
                let guest = GuestCall::from(&call);
                progress.guests.push(guest.clone());
                self.renderer.show(&DemoStep::Guest {
                    job: job.to_hex(),
                    function,
                    guest,
                    answer: summary,
                })?;
            }
            NodeEvent::Step(of, JobStep::Finished { node_us }) if of == job => {
                progress.finished = true;
                progress.node_overhead_us = node_us;
            }
            NodeEvent::Domain(DomainEvent::PaymentReceived { job_id, amount_msats, .. })
                if job_id == job =>
            {
                progress.paying = false;
                self.renderer.show(&DemoStep::Earned {
                    job: job.to_hex(),
                    amount_msats: amount_msats.get(),
                })?;
            }
            NodeEvent::Domain(_) | NodeEvent::Step(..) => {}
        }
        Ok(())
    }

    /// Shows what the customer received, and pays.
    fn receive(
        &mut self,
        customer: &Customer,
        prompt: &str,
        message: ProviderMessage,
        progress: &mut JobProgress,
    ) -> anyhow::Result<()> {
        match message {
            ProviderMessage::Feedback(feedback) if feedback.status == FeedbackStatus::Partial => {
                self.stream(feedback.job, &feedback.content, progress)?
            }
            ProviderMessage::Feedback(feedback) => {
                let status = feedback.status.as_str().to_owned();
                if feedback.status == FeedbackStatus::Error {
                    progress.answered = true;
                    progress.finished = true;
                    progress.error = Some(feedback.message.clone());
                }
                self.renderer.show(&DemoStep::Feedback {
                    job: feedback.job.to_hex(),
                    status,
                    message: feedback.message,
                })?;
            }
            ProviderMessage::Unreadable { why, .. } => {
                bail!("cannot parse the message of the provider: {why}")
            }
            ProviderMessage::Result(result) => {
                let id = result.job.to_hex();
                self.stream(result.job, &result.content, progress)?;
                let amount_msats = result.due.as_ref().map_or(0, |(amount, _)| amount.get());
                let bolt11 = result.due.as_ref().and_then(|(_, bolt11)| bolt11.clone());
                progress.paying = bolt11.is_some();
                progress.answered = true;
                self.renderer.show(&DemoStep::Result {
                    job: id.clone(),
                    kind: KIND + 1000,
                    amount_msats,
                    bolt11,
                })?;
                if let Some(preimage) = customer.pay(prompt, &result)? {
                    self.renderer.show(&DemoStep::Paid {
                        job: id,
                        amount_msats,
                        preimage: hex::encode(preimage),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Shows new text. Partial results contain the whole text so far, and arrive in any order.
    fn stream(&mut self, job: JobId, text: &str, progress: &mut JobProgress) -> anyhow::Result<()> {
        if let Some(more) = text.strip_prefix(&progress.text).filter(|more| !more.is_empty()) {
            self.renderer.show(&DemoStep::Text { job: job.to_hex(), text: more.into() })?;
            progress.text = text.into();
        }
        Ok(())
    }

    fn summary(
        &self,
        job: JobId,
        started: Instant,
        progress: JobProgress,
    ) -> anyhow::Result<JobSummary> {
        let Some(state) = self.node.journal().job(job)? else {
            bail!("the job was refused: {}", progress.error.unwrap_or_default());
        };
        let evidence = state.evidence.as_ref();
        Ok(JobSummary {
            job: job.to_hex(),
            kind: state.job.kind,
            status: state.execution.as_str().into(),
            backend: evidence
                .map(|evidence| evidence.route.target.backend().into())
                .unwrap_or_default(),
            model: evidence
                .map(|evidence| evidence.route.target.model().into())
                .unwrap_or_default(),
            input_tokens: evidence.map_or(0, |evidence| evidence.usage.input_tokens),
            output_tokens: evidence.map_or(0, |evidence| evidence.usage.output_tokens),
            guests: progress.guests,
            amount_msats: state.due.get(),
            settlement: state.settlement.as_str().into(),
            earned_msats: state.paid.get(),
            elapsed_ms: millis(started),
            node_overhead_us: progress.node_overhead_us,
            total: None,
        })
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

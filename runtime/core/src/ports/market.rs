//! Where jobs come from and results go. The protocol stays behind this port.

use crate::decision::MarketView;
use crate::message::{Incoming, Message, RelayRefusal, SendOutcome, SignedMessage};
use crate::work::Output;
use crate::{Job, UnixTime};
use async_trait::async_trait;

/// Why a message cannot be signed or sent.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// The market is closed permanently.
    #[error("the market is closed")]
    Closed,
    /// This message can never be published.
    #[error("cannot be published: {0}")]
    Unpublishable(String),
}

/// A market on which this node sells.
#[async_trait]
pub trait Market: Send + Sync {
    /// The next incoming item; `None` once closed. One caller at a time.
    async fn next(&self) -> Option<Incoming>;

    /// Checks whether this result could be delivered. Pure, cheaper than signing, and called before
    /// anything is charged.
    fn check(&self, job: &Job, output: &Output) -> Result<(), MarketError>;

    /// Encodes and signs. Pure: nothing is sent.
    fn sign(&self, message: &Message<'_>, now: UnixTime) -> Result<SignedMessage, MarketError>;

    /// Sends the signed bytes and waits, within the adapter's timeout, for acknowledgements. A
    /// relay that has accepted or refused the message is not sent it again.
    async fn send(&self, message: &SignedMessage) -> SendOutcome;

    /// The next refusal of a relay, possibly after the message was delivered elsewhere; `None` once
    /// closed. One caller at a time.
    async fn next_refusal(&self) -> Option<RelayRefusal>;

    /// Prices of other providers for this kind, from a [`PriceIndex`]; `None` if there are too few.
    /// Never blocks.
    ///
    /// [`PriceIndex`]: crate::price_index::PriceIndex
    fn prices(&self, kind: u16, now: UnixTime) -> Option<MarketView>;
}

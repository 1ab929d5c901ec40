//! The four independent columns of a job's state.

use crate::names::named_enum;

named_enum! {
    /// Execution.
    #[derive(Default)]
    Execution {
        /// Waits for a worker.
        #[default]
        Received = "received",
        /// Waits for a payment.
        AwaitingPayment = "awaiting_payment",
        /// Running, or waiting for a decision about the output.
        Processing = "processing",
        /// Done and accepted.
        Completed = "completed",
        /// There will be no result.
        Failed = "failed",
        /// Withdrawn by the customer, or never paid for.
        Cancelled = "cancelled",
    }
    /// Delivery of the result.
    #[derive(Default)]
    Delivery {
        /// No result yet.
        #[default]
        None = "none",
        /// Waits for the operator's decision.
        InReview = "in_review",
        /// In the outbox.
        Queued = "queued",
        /// Enough relays accepted it.
        Delivered = "delivered",
        /// No relay accepts it.
        Failed = "failed",
    }
    /// The invoice.
    #[derive(Default)]
    Invoicing {
        /// No invoice.
        #[default]
        None = "none",
        /// Requested from the wallet.
        Created = "created",
        /// Payable or paid.
        Open = "open",
        /// No longer payable.
        Expired = "expired",
        /// Withdrawn or never created.
        Cancelled = "cancelled",
    }
    /// The payment.
    #[derive(Default)]
    Settlement {
        /// Nothing is due.
        #[default]
        None = "none",
        /// Not paid yet.
        Pending = "pending",
        /// Held by the wallet.
        Held = "held",
        /// Received.
        Paid = "paid",
        /// The invoice expired after delivery.
        Unpaid = "unpaid",
        /// Nothing will be paid.
        Cancelled = "cancelled",
        /// Received and owed back.
        RefundDue = "refund_due",
        /// Paid back.
        Refunded = "refunded",
    }
}

impl Execution {
    /// Whether it has ended.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

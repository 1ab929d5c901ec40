//! What a job asks of the wallet. Each errand comes back as an event, or as nothing when the wallet is to be asked again later.

use super::{Shared, till};
use futures::future::BoxFuture;
use pylon_core::PaymentHash;
use pylon_core::machine::Event;
use pylon_core::payment::InvoiceRequest;
use pylon_core::ports::payments::{Wallet, WalletError};
use std::sync::Arc;
use std::time::Duration;

/// How long a wallet is asked again for an invoice before the job is given up.
const INVOICE_WITHIN: Duration = Duration::from_secs(60);
/// Between two tries, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(10);

pub(super) type Errand = BoxFuture<'static, Option<Event>>;

/// Asks for an invoice.
pub(super) fn invoice(shared: &Shared, request: InvoiceRequest) -> Errand {
    let Some(wallet) = shared.wallet.clone() else {
        return Box::pin(async { Some(Event::InvoiceFailed) });
    };
    Box::pin(async move {
        match tokio::time::timeout(INVOICE_WITHIN, ask_until_answered(&*wallet, &request)).await {
            Ok(Ok(invoice)) => Some(Event::Invoiced(invoice)),
            Ok(Err(error)) => {
                tracing::error!(job = request.id, %error, "no invoice");
                Some(Event::InvoiceFailed)
            }
            Err(_) => Some(Event::InvoiceFailed),
        }
    })
}

async fn ask_until_answered(
    wallet: &dyn Wallet,
    request: &InvoiceRequest,
) -> Result<pylon_core::payment::Invoice, WalletError> {
    let mut pause = AGAIN_FIRST;
    loop {
        match wallet.invoice(request.clone()).await {
            Err(WalletError::Unknown(why)) => {
                tracing::warn!(job = request.id, why, "the wallet is asked again")
            }
            answer => return answer,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MOST);
    }
}

/// Takes what is held; the wallet's look-up says whether it did.
pub(super) fn claim(shared: &Shared, hash: PaymentHash) -> Errand {
    let wallet = shared.wallet.clone();
    Box::pin(async move {
        let wallet: Arc<dyn Wallet> = wallet?;
        if let Err(error) = till::answered(wallet.claim(hash)).await {
            tracing::warn!(%error, "what is held was not taken: tried again at the next look");
        }
        till::aftermath(&*wallet, hash).await
    })
}

/// Lets go what is held, or closes what is open.
pub(super) fn release(shared: &Shared, hash: PaymentHash) -> Errand {
    let wallet = shared.wallet.clone();
    Box::pin(async move {
        let wallet: Arc<dyn Wallet> = wallet?;
        if let Err(error) = till::answered(wallet.release(hash)).await {
            tracing::warn!(%error, "an invoice was not closed: tried again at the next look");
        }
        till::aftermath(&*wallet, hash).await
    })
}

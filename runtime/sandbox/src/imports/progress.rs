//! `progress`: messages to the customer.

use crate::bindings::progress::Host;
use crate::handler_state::HandlerState;
use wasmtime::Result;

impl Host for HandlerState {
    async fn report(&mut self, permille: Option<u32>, note: String) -> Result<bool> {
        self.emit(&note)?;
        Ok(self.host.report(permille.map(|permille| permille.min(1000)), note).await)
    }

    async fn partial(&mut self, text: String) -> Result<bool> {
        self.emit(&text)?;
        Ok(self.host.partial(text).await)
    }
}

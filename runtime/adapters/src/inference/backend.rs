//! What each type of backend implements for its settings.

use super::api_key::ReadSecret;
use async_trait::async_trait;
use pylon_core::ports::inference::Inference;
use pylon_core::settings::InvalidSetting;
use reqwest::Client;
use std::sync::Arc;

/// The settings of one type of backend.
#[async_trait]
pub trait BackendType: Sync {
    /// Rejects invalid values.
    fn check(&self) -> Result<(), InvalidSetting>;

    /// Builds the backend of this name, whether its server runs or not.
    async fn build(
        &self,
        http: &Client,
        name: &str,
        secret: ReadSecret<'_>,
    ) -> Result<Arc<dyn Inference>, InvalidSetting>;
}

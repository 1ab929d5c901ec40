//! Inference backends: servers that generate text. `config` has a row for each type; a type is a
//! file here. `openai` is the API that they have in common, `managed` a server that is fetched and
//! run for the demo and for tests.

mod api_key;
mod backend;
mod config;
pub mod llama_cpp;
pub mod managed;
mod openai;

pub use api_key::{ApiKey, ReadSecret};
pub use backend::BackendType;
pub use config::{BackendConfig, Config};
pub use openai::OpenAi;

//! Inference backends. One adapter for the OpenAI API, a table of the servers that are detected,
//! and a managed server for the demo. The core decides what may be sold to which customer.

mod detect;
pub mod managed;
mod openai;

pub use detect::{detect, llama_cpp};
pub use openai::OpenAi;

//! Servers that generate text. One adapter for the OpenAI dialect, a table of who speaks it, and a server of our own for
//! those who have none. What may be sold, and to whom, is not decided here.

mod detect;
pub mod managed;
mod openai;

pub use detect::{detect, llama_cpp};
pub use openai::OpenAi;

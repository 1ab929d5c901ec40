//! The one integration-test binary.

mod jobs;

//! All integration tests, one binary: a module for each part of the node.

mod sandbox;

//! The world of pricing policies. Nothing is written by hand here.

#![allow(missing_docs, reason = "generated; the WIT documents it")]

wasmtime::component::bindgen!({ path: "../wit", world: "pylon:provider/pricing-policy" });

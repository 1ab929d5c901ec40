//! Every transition, in order and out of it.

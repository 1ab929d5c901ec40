//! Empty: a package must have a library, and the guests are its examples.

#![no_std]

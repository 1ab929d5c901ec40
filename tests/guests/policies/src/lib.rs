//! Empty: a package needs a library, and the guests are its examples.

#![no_std]

//! The exam of connectors that ask a product over HTTP: a stub that knows no more than the vendor's documentation, and
//! everything that can go wrong between the two. README.md beside this says how a connector comes to sit it.

mod answer;
mod auth;
mod case;
mod fault;
mod find;
mod list;
mod mutate;
mod own;
mod pages;
mod paging;
mod rows;
mod rule;
mod scenarios;
mod serve;
mod sigv4;
mod sit;
mod spec;
mod spot;
mod stub;
mod tickets;
mod wire;

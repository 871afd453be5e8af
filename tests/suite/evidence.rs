//! The evidence log from outside: whoever changes, removes, swaps or cuts something is found and told where, with the
//! checkpoints that lie elsewhere also whoever makes it all anew; and one entry is proven without the log.

mod site;
mod tampering;
mod years;

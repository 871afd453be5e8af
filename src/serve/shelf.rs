//! The store, as those see it who answer requests: a few connections of their own, each used for one step at a time where
//! waiting for it harms nobody.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::store::{Store, StoreError};

/// Some connections to one store.
#[derive(Clone)]
pub struct Shelf {
    free: Arc<Mutex<Vec<Box<dyn Store>>>>,
    places: Arc<Semaphore>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("free", &self.places.available_permits()).finish_non_exhaustive()
    }
}

impl Shelf {
    /// Answers from these connections, which lead to the same store.
    #[must_use]
    pub fn new(stores: Vec<Box<dyn Store>>) -> Self {
        let places = Arc::new(Semaphore::new(stores.len()));
        Self { free: Arc::new(Mutex::new(stores)), places }
    }

    /// Does something with the store. Waits where all connections are in use.
    ///
    /// # Errors
    /// What the step gives; or when it broke off.
    pub async fn with<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        step: impl FnOnce(&mut dyn Store) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let broken = |why: String| StoreError::Other(format!("a question to the store broke off: {why}"));
        let place =
            Arc::clone(&self.places).acquire_owned().await.map_err(|e| E::from(broken(e.to_string())))?;
        let free = Arc::clone(&self.free);
        let done = tokio::task::spawn_blocking(move || {
            let store = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut store) = store else {
                return Err(StoreError::Other("no connection".to_owned()).into());
            };
            let said = step(&mut *store);
            free.lock().unwrap_or_else(PoisonError::into_inner).push(store);
            drop(place);
            said
        });
        done.await.map_err(|e| E::from(broken(e.to_string())))?
    }
}

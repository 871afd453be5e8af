//! Routes for programs, each put down together with what is said of it: what is answered and what `/openapi.json` describes
//! cannot be two things.
//!
//! ```text
//! path, need, about, handler ─▶ Routes ─┬─▶ router, behind the guard of that need
//!                                       └─▶ OpenAPI 3.1, schemas from the types
//! ```

mod about;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Site;
use super::answer::ErrorBody;
use super::guard::{Gate, pass};
use super::sign_in::Need;

pub(super) use about::{About, Parameter};

/// The address of the description.
pub(super) const PATH: &str = "/openapi.json";

/// Routes for programs, and what is said of them.
pub(super) struct Routes {
    site: Arc<Site>,
    router: Router<Arc<Site>>,
    paths: Map<String, Value>,
    schemas: SchemaGenerator,
    /// What is taken may leave out what is always given.
    bodies: SchemaGenerator,
}

impl Routes {
    pub(super) fn new(site: &Arc<Site>) -> Self {
        let mut schemas = SchemaSettings::draft2020_12();
        schemas.definitions_path = "/components/schemas".into();
        schemas.meta_schema = None;
        let bodies = schemas.clone().for_deserialize().into_generator();
        let schemas = schemas.for_serialize().into_generator();
        Self { site: Arc::clone(site), router: Router::new(), paths: Map::new(), schemas, bodies }
    }

    /// A route that is only looked at.
    pub(super) fn get<H: Handler<T, Arc<Site>>, T: 'static>(
        self,
        path: &'static str,
        need: Option<Need>,
        about: About,
        handler: H,
    ) -> Self {
        self.route(Method::GET, path, need, about, handler)
    }

    /// A route to which something is sent.
    pub(super) fn post<H: Handler<T, Arc<Site>>, T: 'static>(
        self,
        path: &'static str,
        need: Option<Need>,
        about: About,
        handler: H,
    ) -> Self {
        self.route(Method::POST, path, need, about, handler)
    }

    fn route<H: Handler<T, Arc<Site>>, T: 'static>(
        mut self,
        method: Method,
        path: &'static str,
        need: Option<Need>,
        about: About,
        handler: H,
    ) -> Self {
        let word = method.as_str().to_ascii_lowercase();
        let operation = about.operation(path, need, &mut self.schemas, &mut self.bodies);
        let of_path = self.paths.entry(path).or_insert_with(|| json!({}));
        if let Some(of_path) = of_path.as_object_mut() {
            of_path.insert(word, operation);
        }
        let filter = MethodFilter::try_from(method).unwrap_or(MethodFilter::GET);
        let mut handler = on(filter, handler);
        if let Some(need) = need {
            handler =
                handler.route_layer(from_fn_with_state(Gate { site: Arc::clone(&self.site), need }, pass));
        }
        self.router = self.router.route(path, handler);
        self
    }

    /// The routes, and what describes them.
    pub(super) fn finish(mut self) -> (Router<Arc<Site>>, Value) {
        let _ = schema::<ErrorBody>(&mut self.schemas);
        let mut schemas = self.schemas.take_definitions(true);
        for (name, schema) in self.bodies.take_definitions(true) {
            schemas.entry(name).or_insert(schema);
        }
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Counterfoil",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Which live access grants no valid approval carries, who answers for them, and whether a grant is \
                                justified now. Every error has the shape of ErrorBody. Times are RFC 3339.",
                "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
            },
            "servers": [{ "url": "/" }],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": { "token": {
                    "type": "http", "scheme": "bearer", "description": "A token of [[serve.token]].",
                } },
            },
        });
        (self.router, document)
    }
}

/// The schema of a type, with those it is made of put aside.
fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

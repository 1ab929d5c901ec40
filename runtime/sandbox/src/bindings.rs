//! The worlds of `wit/`, each generated once. Types that several worlds share are generated with
//! the first one and mapped by the others, so that there is a single `Job`.

mod routing_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pylon:provider/routing-policy",
    });
}

mod pricing_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pylon:provider/pricing-policy",
        with: {
            "pylon:provider/types": super::routing_world::pylon::provider::types,
            "pylon:provider/description": super::routing_world::pylon::provider::description,
        },
    });
}

mod verification_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pylon:provider/verification-policy",
        with: {
            "pylon:provider/types": super::routing_world::pylon::provider::types,
            "pylon:provider/description": super::routing_world::pylon::provider::description,
        },
    });
}

mod handler_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pylon:provider/job-handler",
        with: {
            "pylon:provider/types": super::routing_world::pylon::provider::types,
            "pylon:provider/description": super::routing_world::pylon::provider::description,
            "pylon:provider/inference.completion": crate::completion::Completion,
        },
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(crate) use handler_world::JobHandlerPre;
pub(crate) use handler_world::exports::pylon::provider::handler;
pub(crate) use handler_world::pylon::provider::{inference, inputs, log, progress};
pub(crate) use pricing_world::PricingPolicyPre;
pub(crate) use pricing_world::exports::pylon::provider::pricing;
pub(crate) use routing_world::RoutingPolicyPre;
pub(crate) use routing_world::exports::pylon::provider::routing;
pub(crate) use routing_world::pylon::provider::{description, types};
pub(crate) use verification_world::VerificationPolicyPre;
pub(crate) use verification_world::exports::pylon::provider::verification;

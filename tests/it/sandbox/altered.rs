//! A guest that grows its tables, which no Rust compiler produces.

use super::{component, context, granted, job, sandbox, situation};
use pylon_core::guest::Fault;
use pylon_sandbox::{Limits, Setup};
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, utils};
use wasm_encoder::{CodeSection, Function, HeapType, Instruction};
use wasmparser::{FunctionBody, Operator, Parser};

/// Replaces `memory.grow` with `table.grow`.
struct GrowsTables;

impl Reencode for GrowsTables {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function: Function = utils::new_function_with_parsed_locals(self, &body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::MemoryGrow { .. } => {
                    function.instruction(&Instruction::Drop);
                    function.instruction(&Instruction::RefNull(HeapType::FUNC));
                    function.instruction(&Instruction::I32Const(100_000));
                    function.instruction(&Instruction::TableGrow(0));
                }
                other => drop(function.instruction(&utils::instruction(self, other)?)),
            }
        }
        code.function(&function);
        Ok(())
    }
}

impl ReencodeComponent for GrowsTables {}

#[tokio::test]
async fn tables_are_limited() {
    let mut altered = wasm_encoder::Component::new();
    let original = component("hostile_pricing");
    GrowsTables.parse_component(&mut altered, Parser::new(0), original).unwrap();
    let bytes = altered.finish();
    let setup = Setup {
        settings: vec![super::param("do", &["memory"])],
        limits: Some(Limits::POLICY),
        ..granted()
    };
    let guest = sandbox().load("pricing".parse().unwrap(), &bytes, setup).await.unwrap();
    assert_eq!(guest.quote(&job(1), &context(), &situation()).value, Err(Fault::Memory));
}

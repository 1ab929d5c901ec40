(component
  (type (;0;)
    (instance
      (type (;0;) string)
      (export (;1;) "job-id" (type (eq 0)))
      (type (;2;) string)
      (export (;3;) "public-key" (type (eq 2)))
      (type (;4;) u64)
      (export (;5;) "unix-time" (type (eq 4)))
      (type (;6;) string)
      (export (;7;) "event-id" (type (eq 6)))
      (type (;8;) (variant (case "text") (case "url" string) (case "event" 7) (case "job" 1)))
      (export (;9;) "input-source" (type (eq 8)))
      (type (;10;) (option string))
      (type (;11;) (record (field "source" 9) (field "bytes" u64) (field "marker" 10)))
      (export (;12;) "input" (type (eq 11)))
      (type (;13;) (list string))
      (type (;14;) (record (field "name" string) (field "values" 13)))
      (export (;15;) "param" (type (eq 14)))
      (type (;16;) u64)
      (export (;17;) "msat" (type (eq 16)))
      (type (;18;) (list 12))
      (type (;19;) (list 15))
      (type (;20;) (option 17))
      (type (;21;) (record (field "id" 1) (field "kind" u16) (field "customer" 3) (field "created-at" 5) (field "inputs" 18) (field "params" 19) (field "output" 10) (field "bid-msat" 20) (field "targeted" bool) (field "confidential" bool)))
      (export (;22;) "job" (type (eq 21)))
      (type (;23;) (record (field "name" string) (field "value" string)))
      (export (;24;) "attribute" (type (eq 23)))
      (type (;25;) (list 24))
      (type (;26;) (record (field "content" string) (field "mime" string) (field "attributes" 25)))
      (export (;27;) "output" (type (eq 26)))
    )
  )
  (import "pylon:provider/types@0.1.0" (instance (;0;) (type 0)))
  (type (;1;)
    (instance
      (export (;0;) "completion" (type (sub resource)))
      (type (;1;) (enum "system" "user" "assistant"))
      (export (;2;) "role" (type (eq 1)))
      (type (;3;) (record (field "role" 2) (field "content" string)))
      (export (;4;) "message" (type (eq 3)))
      (type (;5;) (list 4))
      (type (;6;) (option u32))
      (type (;7;) (option f32))
      (type (;8;) (list string))
      (type (;9;) (option u64))
      (type (;10;) (option string))
      (type (;11;) (record (field "messages" 5) (field "max-tokens" 6) (field "temperature" 7) (field "top-p" 7) (field "top-k" 6) (field "frequency-penalty" 7) (field "stop" 8) (field "seed" 9) (field "schema" 10)))
      (export (;12;) "request" (type (eq 11)))
      (type (;13;) (variant (case "no-backend") (case "too-long" u32) (case "unsupported" string) (case "timeout") (case "denied") (case "cancelled") (case "other" string)))
      (export (;14;) "inference-error" (type (eq 13)))
      (type (;15;) (borrow 0))
      (type (;16;) (result 10 (error 14)))
      (type (;17;) (func (param "self" 15) (result 16)))
      (export (;0;) "[method]completion.next" (func (type 17)))
      (type (;18;) (own 0))
      (type (;19;) (result 18 (error 14)))
      (type (;20;) (func (param "request" 12) (result 19)))
      (export (;1;) "generate" (func (type 20)))
    )
  )
  (import "pylon:provider/inference@0.1.0" (instance (;1;) (type 1)))
  (type (;2;)
    (instance
      (type (;0;) (variant (case "denied") (case "unreachable") (case "too-large" u64) (case "not-text") (case "timeout") (case "other" string)))
      (export (;1;) "input-error" (type (eq 0)))
      (type (;2;) (result string (error 1)))
      (type (;3;) (func (param "index" u32) (result 2)))
      (export (;0;) "read" (func (type 3)))
    )
  )
  (import "pylon:provider/inputs@0.1.0" (instance (;2;) (type 2)))
  (type (;3;)
    (instance
      (type (;0;) (record (field "name" string) (field "default" string) (field "help" string)))
      (export (;1;) "setting" (type (eq 0)))
      (type (;2;) (record (field "name" string) (field "help" string) (field "required" bool) (field "public" bool)))
      (export (;3;) "param-help" (type (eq 2)))
      (type (;4;) (list 3))
      (type (;5;) (record (field "kind" u16) (field "summary" string) (field "params" 4)))
      (export (;6;) "served-kind" (type (eq 5)))
      (type (;7;) (list string))
      (type (;8;) (variant (case "inference") (case "agent") (case "progress") (case "urls" 7) (case "events") (case "jobs")))
      (export (;9;) "capability" (type (eq 8)))
      (type (;10;) (record (field "wall-ms" u64) (field "cpu-ms" u64) (field "memory-bytes" u64) (field "output-bytes" u64)))
      (export (;11;) "limits" (type (eq 10)))
      (type (;12;) (list 1))
      (type (;13;) (list 6))
      (type (;14;) (list 9))
      (type (;15;) (option 11))
      (type (;16;) (record (field "name" string) (field "version" string) (field "summary" string) (field "settings" 12) (field "kinds" 13) (field "requests" 14) (field "limits" 15)))
      (export (;17;) "manifest" (type (eq 16)))
    )
  )
  (import "pylon:provider/description@0.1.0" (instance (;3;) (type 3)))
  (alias export 3 "manifest" (type (;4;)))
  (import "manifest" (type (;5;) (eq 4)))
  (core module (;0;)
    (type (;0;) (func (param i32)))
    (type (;1;) (func (param i32 i32)))
    (type (;2;) (func))
    (type (;3;) (func (param i32) (result i32)))
    (type (;4;) (func (param i32 i32) (result i32)))
    (type (;5;) (func (param i32 i32 i32 i32)))
    (type (;6;) (func (param i32 i32 i32 i32) (result i32)))
    (type (;7;) (func (param i32 i32 i32 i32 i32 i32)))
    (type (;8;) (func (param i32 i32 i32)))
    (type (;9;) (func (result i32)))
    (import "pylon:provider/inference@0.1.0" "[resource-drop]completion" (func (;0;) (type 0)))
    (import "pylon:provider/inputs@0.1.0" "read" (func (;1;) (type 1)))
    (import "pylon:provider/inference@0.1.0" "generate" (func (;2;) (type 1)))
    (import "pylon:provider/inference@0.1.0" "[method]completion.next" (func (;3;) (type 1)))
    (table (;0;) 2 2 funcref)
    (memory (;0;) 18)
    (global (;0;) (mut i32) i32.const 1048576)
    (global (;1;) i32 i32.const 0)
    (export "memory" (memory 0))
    (export "cabi_post_describe" (func 22))
    (export "describe" (func 23))
    (export "pylon:provider/handler@0.1.0#run" (func 26))
    (export "cabi_realloc" (func 30))
    (export "cabi_post_pylon:provider/handler@0.1.0#run" (func 22))
    (elem (;0;) (i32.const 1) func 29)
    (func (;4;) (type 2))
    (func (;5;) (type 3) (param i32) (result i32)
      block ;; label = @1
        local.get 0
        i32.const 4
        call 6
        local.tee 0
        br_if 0 (;@1;)
        call 7
        unreachable
      end
      local.get 0
    )
    (func (;6;) (type 4) (param i32 i32) (result i32)
      (local i32 i32 i64 i64 i64 i64 i64 i64 i64)
      global.get 1
      local.tee 2
      i32.const 1048704
      i32.add
      i32.load
      local.set 3
      local.get 2
      i32.const 1114248
      i32.add
      i64.load
      local.set 4
      local.get 0
      i64.extend_i32_u
      local.tee 5
      local.get 1
      i64.extend_i32_u
      local.tee 6
      i64.add
      i64.const 65535
      i64.add
      i64.const 16
      i64.shr_u
      local.tee 7
      i32.wrap_i64
      local.set 2
      block ;; label = @1
        loop ;; label = @2
          local.get 6
          local.get 3
          local.get 1
          i32.rem_u
          local.tee 0
          i64.extend_i32_u
          i64.sub
          i64.const 0
          local.get 0
          select
          local.get 3
          i64.extend_i32_u
          local.tee 8
          i64.add
          local.tee 9
          local.get 5
          i64.add
          local.tee 10
          local.get 4
          i64.le_u
          br_if 1 (;@1;)
          block ;; label = @3
            block ;; label = @4
              local.get 4
              i64.const 0
              i64.ne
              br_if 0 (;@4;)
              local.get 8
              i64.const 65536
              i64.add
              local.set 4
              br 1 (;@3;)
            end
            block ;; label = @4
              local.get 2
              memory.grow
              local.tee 0
              i32.const -1
              i32.ne
              br_if 0 (;@4;)
              i32.const 0
              return
            end
            block ;; label = @4
              local.get 0
              i64.extend_i32_u
              local.tee 8
              i64.const 16
              i64.shl
              local.tee 9
              local.get 4
              i64.eq
              br_if 0 (;@4;)
              global.get 1
              i32.const 1048704
              i32.add
              local.get 9
              i32.wrap_i64
              local.tee 3
              i32.store
            end
            local.get 7
            local.get 8
            i64.add
            i64.const 16
            i64.shl
            local.tee 4
            i64.const 4294967295
            local.get 4
            i64.const 4294967295
            i64.lt_u
            select
            local.set 4
          end
          global.get 1
          i32.const 1114248
          i32.add
          local.get 4
          i64.store
          br 0 (;@2;)
        end
      end
      global.get 1
      i32.const 1048704
      i32.add
      local.get 10
      i64.store32
      local.get 9
      i32.wrap_i64
    )
    (func (;7;) (type 2)
      unreachable
    )
    (func (;8;) (type 0) (param i32)
      block ;; label = @1
        local.get 0
        i32.load
        local.tee 0
        i32.const -1
        i32.eq
        br_if 0 (;@1;)
        local.get 0
        call 0
      end
    )
    (func (;9;) (type 1) (param i32 i32)
      (local i32 i64)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 2
      global.set 0
      local.get 2
      i32.const 8
      i32.add
      local.get 1
      i32.const 4
      i32.const 24
      call 10
      local.get 2
      i64.load offset=8
      local.set 3
      local.get 0
      i32.const 0
      i32.store offset=8
      local.get 0
      local.get 3
      i64.store align=4
      local.get 2
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;10;) (type 5) (param i32 i32 i32 i32)
      (local i32 i64 i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 4
      global.set 0
      local.get 3
      i64.extend_i32_u
      local.get 1
      i64.extend_i32_u
      i64.mul
      local.tee 5
      i32.wrap_i64
      local.set 3
      i32.const 0
      local.set 6
      block ;; label = @1
        block ;; label = @2
          local.get 5
          i64.const 32
          i64.shr_u
          i32.wrap_i64
          br_if 0 (;@2;)
          local.get 3
          i32.const -2147483648
          local.get 2
          i32.sub
          i32.gt_u
          br_if 0 (;@2;)
          block ;; label = @3
            local.get 3
            br_if 0 (;@3;)
            i32.const 0
            local.set 1
            local.get 2
            local.set 2
            br 2 (;@1;)
          end
          local.get 4
          i32.const 8
          i32.add
          local.get 2
          local.get 3
          call 21
          local.get 2
          local.set 6
          local.get 4
          i32.load offset=8
          local.tee 2
          br_if 1 (;@1;)
        end
        local.get 6
        local.get 3
        call 19
        unreachable
      end
      local.get 0
      local.get 2
      i32.store offset=4
      local.get 0
      local.get 1
      i32.store
      local.get 4
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;11;) (type 1) (param i32 i32)
      (local i32 i64)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 2
      global.set 0
      local.get 2
      i32.const 8
      i32.add
      local.get 1
      i32.const 4
      i32.const 12
      call 10
      local.get 2
      i64.load offset=8
      local.set 3
      local.get 0
      i32.const 0
      i32.store offset=8
      local.get 0
      local.get 3
      i64.store align=4
      local.get 2
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;12;) (type 1) (param i32 i32)
      (local i32 i32)
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            local.get 1
            i32.load
            local.tee 2
            local.get 1
            i32.load offset=8
            local.tee 3
            i32.gt_u
            br_if 0 (;@3;)
            local.get 1
            i32.load offset=4
            local.set 1
            br 1 (;@2;)
          end
          block ;; label = @3
            local.get 3
            br_if 0 (;@3;)
            i32.const 1
            local.set 1
            br 1 (;@2;)
          end
          local.get 1
          i32.load offset=4
          local.get 2
          i32.const 1
          local.get 3
          call 13
          local.tee 1
          i32.eqz
          br_if 1 (;@1;)
        end
        local.get 0
        local.get 3
        i32.store offset=4
        local.get 0
        local.get 1
        i32.store
        return
      end
      call 7
      unreachable
    )
    (func (;13;) (type 6) (param i32 i32 i32 i32) (result i32)
      (local i32)
      block ;; label = @1
        local.get 0
        local.get 1
        i32.add
        global.get 1
        i32.const 1048704
        i32.add
        i32.load
        local.tee 4
        i32.ne
        br_if 0 (;@1;)
        global.get 1
        i32.const 1048704
        i32.add
        local.get 0
        i32.store
      end
      block ;; label = @1
        local.get 3
        local.get 2
        call 6
        local.tee 2
        i32.eqz
        br_if 0 (;@1;)
        block ;; label = @2
          local.get 2
          local.get 0
          i32.eq
          br_if 0 (;@2;)
          local.get 3
          local.get 1
          local.get 3
          local.get 1
          i32.lt_u
          select
          local.tee 1
          i32.eqz
          br_if 0 (;@2;)
          local.get 2
          local.get 0
          local.get 1
          memory.copy
        end
        local.get 2
        return
      end
      global.get 1
      i32.const 1048704
      i32.add
      local.get 4
      i32.store
      local.get 2
    )
    (func (;14;) (type 1) (param i32 i32)
      (local i32)
      block ;; label = @1
        local.get 0
        i32.load offset=8
        local.tee 2
        local.get 0
        i32.load
        i32.ne
        br_if 0 (;@1;)
        local.get 0
        call 15
      end
      local.get 0
      local.get 2
      i32.const 1
      i32.add
      i32.store offset=8
      local.get 0
      i32.load offset=4
      local.get 2
      i32.const 24
      i32.mul
      i32.add
      local.tee 0
      local.get 1
      i64.load align=4
      i64.store align=4
      local.get 0
      local.get 1
      i64.load offset=8 align=4
      i64.store offset=8 align=4
      local.get 0
      local.get 1
      i64.load offset=16 align=4
      i64.store offset=16 align=4
    )
    (func (;15;) (type 0) (param i32)
      (local i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 1
      global.set 0
      local.get 1
      i32.const 8
      i32.add
      local.get 0
      local.get 0
      i32.load
      i32.const 1
      i32.const 4
      i32.const 24
      call 18
      block ;; label = @1
        local.get 1
        i32.load offset=8
        local.tee 0
        i32.const -2147483647
        i32.eq
        br_if 0 (;@1;)
        local.get 0
        local.get 1
        i32.load offset=12
        call 19
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;16;) (type 1) (param i32 i32)
      (local i32)
      block ;; label = @1
        local.get 0
        i32.load offset=8
        local.tee 2
        local.get 0
        i32.load
        i32.ne
        br_if 0 (;@1;)
        local.get 0
        call 17
      end
      local.get 0
      local.get 2
      i32.const 1
      i32.add
      i32.store offset=8
      local.get 0
      i32.load offset=4
      local.get 2
      i32.const 12
      i32.mul
      i32.add
      local.tee 0
      local.get 1
      i64.load align=4
      i64.store align=4
      local.get 0
      local.get 1
      i32.load offset=8
      i32.store offset=8
    )
    (func (;17;) (type 0) (param i32)
      (local i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 1
      global.set 0
      local.get 1
      i32.const 8
      i32.add
      local.get 0
      local.get 0
      i32.load
      i32.const 1
      i32.const 4
      i32.const 12
      call 18
      block ;; label = @1
        local.get 1
        i32.load offset=8
        local.tee 0
        i32.const -2147483647
        i32.eq
        br_if 0 (;@1;)
        local.get 0
        local.get 1
        i32.load offset=12
        call 19
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;18;) (type 7) (param i32 i32 i32 i32 i32 i32)
      (local i32 i32 i32 i32 i64)
      global.get 0
      i32.const 32
      i32.sub
      local.tee 6
      global.set 0
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            local.get 3
            local.get 2
            i32.add
            local.tee 2
            local.get 3
            i32.ge_u
            br_if 0 (;@3;)
            i32.const 0
            local.set 3
            br 1 (;@2;)
          end
          i32.const 0
          local.set 7
          local.get 6
          i32.const 20
          i32.add
          local.set 8
          block ;; label = @3
            block ;; label = @4
              local.get 5
              i64.extend_i32_u
              local.get 2
              local.get 1
              i32.load
              local.tee 9
              i32.const 1
              i32.shl
              local.tee 3
              local.get 2
              local.get 3
              i32.gt_u
              select
              local.tee 3
              i32.const 8
              i32.const 4
              local.get 5
              i32.const 1
              i32.eq
              select
              local.tee 2
              local.get 3
              local.get 2
              i32.gt_u
              select
              local.tee 2
              i64.extend_i32_u
              i64.mul
              local.tee 10
              i64.const 32
              i64.shr_u
              i32.wrap_i64
              br_if 0 (;@4;)
              local.get 10
              i32.wrap_i64
              local.tee 3
              i32.const -2147483648
              local.get 4
              i32.sub
              i32.gt_u
              br_if 0 (;@4;)
              block ;; label = @5
                block ;; label = @6
                  local.get 9
                  br_if 0 (;@6;)
                  i32.const 0
                  local.set 5
                  local.get 6
                  i32.const 28
                  i32.add
                  local.set 7
                  br 1 (;@5;)
                end
                local.get 1
                i32.load offset=4
                local.set 8
                local.get 6
                local.get 4
                i32.store offset=28
                local.get 9
                local.get 5
                i32.mul
                local.set 5
                local.get 6
                i32.const 24
                i32.add
                local.set 7
              end
              local.get 7
              local.get 5
              i32.store
              block ;; label = @5
                block ;; label = @6
                  local.get 6
                  i32.load offset=28
                  i32.eqz
                  br_if 0 (;@6;)
                  block ;; label = @7
                    local.get 6
                    i32.load offset=24
                    local.tee 5
                    br_if 0 (;@7;)
                    local.get 6
                    i32.const 8
                    i32.add
                    local.get 4
                    local.get 3
                    call 21
                    local.get 6
                    i32.load offset=8
                    local.set 5
                    br 2 (;@5;)
                  end
                  local.get 8
                  local.get 5
                  local.get 4
                  local.get 3
                  call 13
                  local.set 5
                  br 1 (;@5;)
                end
                local.get 6
                local.get 4
                local.get 3
                call 21
                local.get 6
                i32.load
                local.set 5
              end
              local.get 5
              br_if 1 (;@3;)
              local.get 6
              local.get 4
              i32.store offset=20
              local.get 6
              i32.const 16
              i32.add
              local.set 8
              local.get 3
              local.set 7
            end
            local.get 8
            local.get 7
            i32.store
            local.get 6
            i32.load offset=16
            local.set 5
            local.get 6
            i32.load offset=20
            local.set 3
            br 2 (;@1;)
          end
          local.get 1
          local.get 2
          i32.store
          local.get 1
          local.get 5
          i32.store offset=4
          i32.const -2147483647
          local.set 3
        end
      end
      local.get 0
      local.get 5
      i32.store offset=4
      local.get 0
      local.get 3
      i32.store
      local.get 6
      i32.const 32
      i32.add
      global.set 0
    )
    (func (;19;) (type 1) (param i32 i32)
      block ;; label = @1
        local.get 0
        i32.eqz
        br_if 0 (;@1;)
        call 7
        unreachable
      end
      call 28
      unreachable
    )
    (func (;20;) (type 0) (param i32)
      (local i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 1
      global.set 0
      local.get 1
      i32.const 8
      i32.add
      local.get 0
      local.get 0
      i32.load
      i32.const 1
      i32.const 8
      i32.const 40
      call 18
      block ;; label = @1
        local.get 1
        i32.load offset=8
        local.tee 0
        i32.const -2147483647
        i32.eq
        br_if 0 (;@1;)
        local.get 0
        local.get 1
        i32.load offset=12
        call 19
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;21;) (type 8) (param i32 i32 i32)
      block ;; label = @1
        local.get 2
        i32.eqz
        br_if 0 (;@1;)
        local.get 2
        local.get 1
        call 6
        local.set 1
      end
      local.get 0
      local.get 2
      i32.store offset=4
      local.get 0
      local.get 1
      i32.store
    )
    (func (;22;) (type 0) (param i32))
    (func (;23;) (type 9) (result i32)
      (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64)
      global.get 0
      i32.const 128
      i32.sub
      local.tee 0
      global.set 0
      call 24
      local.get 0
      i32.const 88
      i32.add
      i32.const 14
      i32.const 1
      i32.const 1
      call 10
      global.get 1
      local.set 1
      local.get 0
      i32.load offset=88
      local.set 2
      local.get 0
      i32.load offset=92
      local.tee 3
      local.get 1
      i32.const 1048617
      i32.add
      local.tee 4
      i64.load offset=6 align=1
      i64.store offset=6 align=1
      local.get 3
      local.get 4
      i64.load align=1
      i64.store align=1
      local.get 0
      i32.const 80
      i32.add
      i32.const 5
      i32.const 1
      i32.const 1
      call 10
      local.get 0
      i32.load offset=80
      local.set 5
      local.get 0
      i32.load offset=84
      local.tee 4
      local.get 1
      i32.const 1048631
      i32.add
      local.tee 6
      i32.load8_u offset=4
      i32.store8 offset=4
      local.get 4
      local.get 6
      i32.load align=1
      i32.store align=1
      local.get 0
      i32.const 72
      i32.add
      i32.const 13
      i32.const 1
      i32.const 1
      call 10
      local.get 0
      i32.load offset=72
      local.set 7
      local.get 0
      i32.load offset=76
      local.tee 6
      local.get 1
      i32.const 1048636
      i32.add
      local.tee 8
      i64.load offset=5 align=1
      i64.store offset=5 align=1
      local.get 6
      local.get 8
      i64.load align=1
      i64.store align=1
      local.get 0
      i32.const 64
      i32.add
      i32.const 3
      i32.const 1
      i32.const 1
      call 10
      local.get 0
      i32.load offset=64
      local.set 9
      local.get 0
      i32.load offset=68
      local.tee 8
      local.get 1
      i32.const 1048649
      i32.add
      local.tee 10
      i32.load8_u offset=2
      i32.store8 offset=2
      local.get 8
      local.get 10
      i32.load16_u align=1
      i32.store16 align=1
      i32.const 28
      call 5
      local.tee 11
      i32.const 5999
      i32.store16 offset=24
      local.get 11
      i64.const 4
      i64.store offset=16 align=4
      local.get 11
      i64.const 3
      i64.store offset=8 align=4
      local.get 11
      local.get 8
      i32.store offset=4
      local.get 11
      local.get 9
      i32.store
      i32.const 12
      call 5
      local.tee 12
      i32.const -2147483648
      i32.store
      local.get 0
      i32.const 14
      i32.store offset=120
      local.get 0
      local.get 3
      i32.store offset=116
      local.get 0
      local.get 2
      i32.store offset=112
      local.get 0
      i32.const 56
      i32.add
      local.get 0
      i32.const 112
      i32.add
      call 12
      local.get 1
      i32.const 1114288
      i32.add
      local.tee 1
      local.get 0
      i64.load offset=56
      i64.store
      local.get 0
      i32.const 5
      i32.store offset=120
      local.get 0
      local.get 4
      i32.store offset=116
      local.get 0
      local.get 5
      i32.store offset=112
      local.get 0
      i32.const 48
      i32.add
      local.get 0
      i32.const 112
      i32.add
      call 12
      local.get 1
      local.get 0
      i64.load offset=48
      i64.store offset=8
      local.get 0
      i32.const 13
      i32.store offset=120
      local.get 0
      local.get 6
      i32.store offset=116
      local.get 0
      local.get 7
      i32.store offset=112
      local.get 0
      i32.const 40
      i32.add
      local.get 0
      i32.const 112
      i32.add
      call 12
      local.get 1
      i64.const 0
      i64.store offset=24
      local.get 1
      local.get 0
      i64.load offset=40
      i64.store offset=16
      local.get 0
      i32.const 112
      i32.add
      i32.const 20
      call 25
      local.get 0
      i32.load offset=112
      local.set 13
      i32.const 0
      local.set 5
      i32.const 0
      local.set 10
      block ;; label = @1
        loop ;; label = @2
          block ;; label = @3
            block ;; label = @4
              local.get 5
              i32.const 28
              i32.eq
              br_if 0 (;@4;)
              local.get 11
              local.get 5
              i32.add
              local.tee 3
              i32.load
              local.tee 4
              i32.const -2147483648
              i32.eq
              br_if 0 (;@4;)
              local.get 5
              i32.const 28
              i32.add
              local.set 5
              local.get 13
              local.get 10
              i32.const 20
              i32.mul
              i32.add
              local.tee 7
              local.get 3
              i32.load16_u offset=24
              i32.store16
              local.get 3
              i32.load offset=16
              local.set 1
              local.get 3
              i32.load offset=20
              local.set 9
              local.get 0
              local.get 3
              i64.load offset=4 align=4
              i64.store offset=116 align=4
              local.get 0
              local.get 4
              i32.store offset=112
              local.get 0
              i32.const 32
              i32.add
              local.get 0
              i32.const 112
              i32.add
              call 12
              local.get 7
              local.get 0
              i64.load offset=32
              i64.store offset=4 align=4
              local.get 0
              i32.const 112
              i32.add
              local.get 9
              i32.const 20
              i32.mul
              call 25
              local.get 10
              i32.const 1
              i32.add
              local.set 10
              local.get 9
              i32.const 28
              i32.mul
              local.set 4
              local.get 0
              i32.load offset=112
              local.tee 14
              local.set 3
              loop ;; label = @5
                local.get 4
                i32.eqz
                br_if 2 (;@3;)
                local.get 1
                i32.load
                local.tee 6
                i32.const -2147483648
                i32.eq
                br_if 2 (;@3;)
                local.get 1
                i64.load offset=4 align=4
                local.set 15
                local.get 0
                local.get 1
                i32.load offset=20
                i32.store offset=120
                local.get 0
                local.get 1
                i64.load offset=12 align=4
                i64.store offset=112
                local.get 1
                i32.load8_u offset=24
                local.set 8
                local.get 1
                i32.load8_u offset=25
                local.set 2
                local.get 0
                local.get 15
                i64.store offset=104 align=4
                local.get 0
                local.get 6
                i32.store offset=100
                local.get 0
                i32.const 24
                i32.add
                local.get 0
                i32.const 100
                i32.add
                call 12
                local.get 3
                local.get 0
                i64.load offset=24
                i64.store align=4
                local.get 0
                i32.const 16
                i32.add
                local.get 0
                i32.const 112
                i32.add
                call 12
                local.get 0
                i64.load offset=16
                local.set 15
                local.get 3
                i32.const 17
                i32.add
                local.get 2
                i32.const 1
                i32.and
                i32.store8
                local.get 3
                i32.const 16
                i32.add
                local.get 8
                i32.const 1
                i32.and
                i32.store8
                local.get 3
                i32.const 8
                i32.add
                local.get 15
                i64.store align=4
                local.get 3
                i32.const 20
                i32.add
                local.set 3
                local.get 4
                i32.const -28
                i32.add
                local.set 4
                local.get 1
                i32.const 28
                i32.add
                local.set 1
                br 0 (;@5;)
              end
            end
            global.get 1
            i32.const 1114288
            i32.add
            local.tee 1
            local.get 13
            i32.store offset=32
            local.get 1
            i32.const 1
            i32.store offset=36
            local.get 0
            i32.const 112
            i32.add
            i32.const 12
            call 25
            local.get 0
            i32.load offset=112
            local.set 7
            i32.const 0
            local.set 8
            i32.const 0
            local.set 1
            loop ;; label = @4
              local.get 8
              i32.const 12
              i32.eq
              br_if 3 (;@1;)
              local.get 12
              local.get 8
              i32.add
              local.tee 4
              i32.load
              local.tee 3
              i32.const -2147483642
              i32.eq
              br_if 3 (;@1;)
              local.get 8
              i32.const 12
              i32.add
              local.set 8
              local.get 1
              i32.const 1
              i32.add
              local.set 5
              local.get 7
              local.get 1
              i32.const 12
              i32.mul
              i32.add
              local.set 2
              block ;; label = @5
                block ;; label = @6
                  block ;; label = @7
                    block ;; label = @8
                      block ;; label = @9
                        block ;; label = @10
                          local.get 3
                          i32.const -2147483648
                          i32.xor
                          i32.const 3
                          local.get 3
                          i32.const 0
                          i32.lt_s
                          select
                          br_table 0 (;@10;) 1 (;@9;) 2 (;@8;) 5 (;@5;) 3 (;@7;) 4 (;@6;) 0 (;@10;)
                        end
                        local.get 2
                        i32.const 0
                        i32.store8
                        local.get 5
                        local.set 1
                        br 5 (;@4;)
                      end
                      local.get 2
                      i32.const 1
                      i32.store8
                      local.get 5
                      local.set 1
                      br 4 (;@4;)
                    end
                    local.get 2
                    i32.const 2
                    i32.store8
                    local.get 5
                    local.set 1
                    br 3 (;@4;)
                  end
                  local.get 2
                  i32.const 4
                  i32.store8
                  local.get 5
                  local.set 1
                  br 2 (;@4;)
                end
                local.get 2
                i32.const 5
                i32.store8
                local.get 5
                local.set 1
                br 1 (;@4;)
              end
              local.get 4
              i64.load offset=4 align=4
              local.set 15
              local.get 2
              i32.const 3
              i32.store8
              local.get 0
              i32.const 112
              i32.add
              local.get 15
              i64.const 32
              i64.shr_u
              i32.wrap_i64
              local.tee 9
              i32.const 3
              i32.shl
              call 25
              local.get 9
              i32.const 12
              i32.mul
              local.set 3
              local.get 15
              i32.wrap_i64
              local.set 1
              local.get 0
              i32.load offset=112
              local.tee 10
              local.set 4
              block ;; label = @5
                loop ;; label = @6
                  local.get 3
                  i32.eqz
                  br_if 1 (;@5;)
                  local.get 1
                  i32.load
                  local.tee 6
                  i32.const -2147483648
                  i32.eq
                  br_if 1 (;@5;)
                  local.get 0
                  local.get 1
                  i64.load offset=4 align=4
                  i64.store offset=116 align=4
                  local.get 0
                  local.get 6
                  i32.store offset=112
                  local.get 0
                  i32.const 8
                  i32.add
                  local.get 0
                  i32.const 112
                  i32.add
                  call 12
                  local.get 4
                  local.get 0
                  i64.load offset=8
                  i64.store align=4
                  local.get 4
                  i32.const 8
                  i32.add
                  local.set 4
                  local.get 3
                  i32.const -12
                  i32.add
                  local.set 3
                  local.get 1
                  i32.const 12
                  i32.add
                  local.set 1
                  br 0 (;@6;)
                end
              end
              local.get 2
              local.get 10
              i32.store offset=4
              local.get 2
              local.get 9
              i32.store offset=8
              local.get 5
              local.set 1
              br 0 (;@4;)
            end
          end
          local.get 7
          local.get 14
          i32.store offset=12
          local.get 7
          local.get 9
          i32.store offset=16
          br 0 (;@2;)
        end
      end
      global.get 1
      i32.const 1114288
      i32.add
      local.tee 1
      i32.const 0
      i32.store8 offset=48
      local.get 1
      local.get 7
      i32.store offset=40
      local.get 1
      i32.const 1
      i32.store offset=44
      local.get 0
      i32.const 128
      i32.add
      global.set 0
      local.get 1
    )
    (func (;24;) (type 2)
      (local i32)
      block ;; label = @1
        global.get 1
        i32.const 1114376
        i32.add
        i32.load8_u
        br_if 0 (;@1;)
        global.get 1
        local.set 0
        call 4
        local.get 0
        i32.const 1114376
        i32.add
        i32.const 1
        i32.store8
      end
    )
    (func (;25;) (type 1) (param i32 i32)
      (local i32)
      block ;; label = @1
        local.get 1
        br_if 0 (;@1;)
        local.get 0
        i64.const 0
        i64.store align=4
        return
      end
      block ;; label = @1
        local.get 1
        i32.const 4
        call 6
        local.tee 2
        i32.eqz
        br_if 0 (;@1;)
        local.get 0
        local.get 2
        i32.store offset=12
        local.get 0
        local.get 1
        i32.store offset=8
        local.get 0
        i32.const 4
        i32.store offset=4
        local.get 0
        local.get 2
        i32.store
        return
      end
      call 7
      unreachable
    )
    (func (;26;) (type 3) (param i32) (result i32)
      (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64)
      global.get 0
      i32.const 384
      i32.sub
      local.tee 1
      global.set 0
      call 24
      local.get 0
      i32.load offset=32
      local.set 2
      local.get 1
      i32.const 72
      i32.add
      local.get 0
      i32.load offset=36
      local.tee 3
      i32.const 8
      i32.const 40
      call 10
      local.get 1
      local.get 1
      i32.load offset=76
      local.tee 4
      i32.store offset=88
      local.get 1
      local.get 1
      i32.load offset=72
      i32.store offset=84
      i32.const 0
      local.set 5
      i32.const 0
      local.set 6
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            loop ;; label = @4
              local.get 1
              local.get 6
              i32.store offset=92
              block ;; label = @5
                block ;; label = @6
                  block ;; label = @7
                    block ;; label = @8
                      block ;; label = @9
                        block ;; label = @10
                          local.get 3
                          local.get 6
                          i32.eq
                          br_if 0 (;@10;)
                          local.get 2
                          local.get 5
                          i32.add
                          local.tee 7
                          i32.load8_u
                          local.tee 8
                          br_table 5 (;@5;) 2 (;@8;) 3 (;@7;) 1 (;@9;)
                        end
                        local.get 0
                        i32.load offset=40
                        local.set 2
                        local.get 1
                        i32.const 148
                        i32.add
                        local.get 0
                        i32.load offset=44
                        local.tee 3
                        call 9
                        local.get 1
                        i32.const 172
                        i32.add
                        local.set 9
                        i32.const 0
                        local.set 8
                        loop ;; label = @10
                          block ;; label = @11
                            block ;; label = @12
                              local.get 8
                              local.get 3
                              i32.eq
                              br_if 0 (;@12;)
                              local.get 2
                              local.get 8
                              i32.const 4
                              i32.shl
                              i32.add
                              local.tee 6
                              i32.load offset=8
                              local.set 7
                              local.get 6
                              i32.load offset=4
                              local.set 10
                              local.get 6
                              i32.load
                              local.set 4
                              local.get 1
                              i32.const 248
                              i32.add
                              local.get 6
                              i32.load offset=12
                              local.tee 6
                              call 11
                              loop ;; label = @13
                                local.get 6
                                i32.eqz
                                br_if 2 (;@11;)
                                local.get 1
                                local.get 7
                                i32.load
                                i32.store offset=188
                                local.get 1
                                local.get 7
                                i32.const 4
                                i32.add
                                i32.load
                                local.tee 5
                                i32.store offset=192
                                local.get 1
                                local.get 5
                                i32.store offset=184
                                local.get 6
                                i32.const -1
                                i32.add
                                local.set 6
                                local.get 7
                                i32.const 8
                                i32.add
                                local.set 7
                                local.get 1
                                i32.const 248
                                i32.add
                                local.get 1
                                i32.const 184
                                i32.add
                                call 16
                                br 0 (;@13;)
                              end
                            end
                            local.get 0
                            i32.load offset=88
                            local.set 2
                            local.get 1
                            i32.const 196
                            i32.add
                            local.get 0
                            i32.load offset=92
                            local.tee 3
                            call 9
                            local.get 1
                            i32.const 220
                            i32.add
                            local.set 9
                            i32.const 0
                            local.set 8
                            loop ;; label = @12
                              block ;; label = @13
                                block ;; label = @14
                                  local.get 8
                                  local.get 3
                                  i32.eq
                                  br_if 0 (;@14;)
                                  local.get 2
                                  local.get 8
                                  i32.const 4
                                  i32.shl
                                  i32.add
                                  local.tee 6
                                  i32.load offset=8
                                  local.set 7
                                  local.get 6
                                  i32.load offset=4
                                  local.set 10
                                  local.get 6
                                  i32.load
                                  local.set 4
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  local.get 6
                                  i32.load offset=12
                                  local.tee 6
                                  call 11
                                  loop ;; label = @15
                                    local.get 6
                                    i32.eqz
                                    br_if 2 (;@13;)
                                    local.get 1
                                    local.get 7
                                    i32.load
                                    i32.store offset=236
                                    local.get 1
                                    local.get 7
                                    i32.const 4
                                    i32.add
                                    i32.load
                                    local.tee 5
                                    i32.store offset=240
                                    local.get 1
                                    local.get 5
                                    i32.store offset=232
                                    local.get 6
                                    i32.const -1
                                    i32.add
                                    local.set 6
                                    local.get 7
                                    i32.const 8
                                    i32.add
                                    local.set 7
                                    local.get 1
                                    i32.const 248
                                    i32.add
                                    local.get 1
                                    i32.const 232
                                    i32.add
                                    call 16
                                    br 0 (;@15;)
                                  end
                                end
                                i32.const 0
                                local.set 5
                                i32.const 0
                                local.get 1
                                i32.const 248
                                i32.add
                                call 1
                                block ;; label = @14
                                  block ;; label = @15
                                    local.get 1
                                    i32.load8_u offset=248
                                    i32.eqz
                                    br_if 0 (;@15;)
                                    i32.const 22
                                    local.set 10
                                    local.get 1
                                    i32.const 64
                                    i32.add
                                    i32.const 22
                                    i32.const 1
                                    i32.const 1
                                    call 10
                                    global.get 1
                                    local.set 8
                                    local.get 1
                                    i32.load offset=64
                                    local.set 7
                                    local.get 1
                                    i32.load offset=68
                                    local.tee 6
                                    local.get 8
                                    i32.const 1048595
                                    i32.add
                                    local.tee 8
                                    i64.load offset=14 align=1
                                    i64.store offset=14 align=1
                                    local.get 6
                                    local.get 8
                                    i64.load offset=8 align=1
                                    i64.store offset=8 align=1
                                    local.get 6
                                    local.get 8
                                    i64.load align=1
                                    i64.store align=1
                                    br 1 (;@14;)
                                  end
                                  local.get 1
                                  i32.load offset=256
                                  local.set 6
                                  local.get 1
                                  i32.load offset=260
                                  local.set 7
                                  i32.const 16
                                  call 5
                                  local.tee 10
                                  i32.const 1
                                  i32.store8 offset=12
                                  local.get 10
                                  local.get 7
                                  i32.store offset=8
                                  local.get 10
                                  local.get 6
                                  i32.store offset=4
                                  local.get 10
                                  local.get 7
                                  i32.store
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  i32.const 12
                                  call 25
                                  local.get 1
                                  i32.load offset=248
                                  local.set 9
                                  local.get 1
                                  local.get 1
                                  i32.load offset=260
                                  i32.store offset=344
                                  local.get 1
                                  local.get 1
                                  i64.load offset=252 align=4
                                  i64.store offset=336
                                  i32.const 0
                                  local.set 6
                                  i32.const 0
                                  local.set 7
                                  block ;; label = @15
                                    loop ;; label = @16
                                      local.get 7
                                      i32.const 16
                                      i32.eq
                                      br_if 1 (;@15;)
                                      local.get 9
                                      local.get 6
                                      i32.add
                                      local.tee 5
                                      local.get 10
                                      local.get 7
                                      i32.add
                                      local.tee 8
                                      i32.const 12
                                      i32.add
                                      i32.load8_u
                                      i32.store8
                                      local.get 5
                                      i32.const 4
                                      i32.add
                                      local.get 8
                                      i32.const 4
                                      i32.add
                                      i64.load align=4
                                      i64.store align=4
                                      local.get 6
                                      i32.const 12
                                      i32.add
                                      local.set 6
                                      local.get 7
                                      i32.const 16
                                      i32.add
                                      local.set 7
                                      br 0 (;@16;)
                                    end
                                  end
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=288
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=280
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=272
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=264
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=256
                                  local.get 1
                                  local.get 9
                                  i32.store offset=248
                                  local.get 1
                                  i32.const 1
                                  i32.store offset=252
                                  local.get 1
                                  i32.const 368
                                  i32.add
                                  i32.const 0
                                  call 25
                                  local.get 1
                                  i32.load offset=368
                                  local.set 7
                                  local.get 1
                                  local.get 1
                                  i32.load offset=380
                                  i32.store offset=360
                                  local.get 1
                                  local.get 1
                                  i64.load offset=372 align=4
                                  i64.store offset=352
                                  local.get 1
                                  i32.const 0
                                  i32.store offset=300
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=320
                                  local.get 1
                                  i32.const 0
                                  i32.store8 offset=304
                                  local.get 1
                                  local.get 7
                                  i32.store offset=296
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  call 2
                                  block ;; label = @15
                                    block ;; label = @16
                                      local.get 1
                                      i32.load8_u offset=248
                                      local.tee 6
                                      br_if 0 (;@16;)
                                      i32.const 7
                                      local.set 7
                                      local.get 1
                                      i32.load offset=252
                                      local.set 5
                                      br 1 (;@15;)
                                    end
                                    block ;; label = @16
                                      block ;; label = @17
                                        block ;; label = @18
                                          block ;; label = @19
                                            block ;; label = @20
                                              block ;; label = @21
                                                block ;; label = @22
                                                  local.get 1
                                                  i32.load8_u offset=252
                                                  local.tee 7
                                                  br_table 7 (;@15;) 1 (;@21;) 2 (;@20;) 3 (;@19;) 4 (;@18;) 5 (;@17;) 0 (;@22;)
                                                end
                                                i32.const 6
                                                local.set 7
                                                local.get 1
                                                i32.load offset=260
                                                local.set 5
                                                br 6 (;@15;)
                                              end
                                              i32.const 1
                                              local.set 7
                                              local.get 1
                                              i32.load offset=256
                                              local.set 5
                                              br 5 (;@15;)
                                            end
                                            i32.const 2
                                            local.set 7
                                            local.get 1
                                            i32.load offset=260
                                            local.set 5
                                            br 4 (;@15;)
                                          end
                                          i32.const 3
                                          local.set 7
                                          br 2 (;@16;)
                                        end
                                        i32.const 4
                                        local.set 7
                                        br 1 (;@16;)
                                      end
                                      i32.const 5
                                      local.set 7
                                    end
                                  end
                                  local.get 1
                                  i32.const 352
                                  i32.add
                                  call 27
                                  local.get 1
                                  i32.const 336
                                  i32.add
                                  call 27
                                  block ;; label = @15
                                    block ;; label = @16
                                      local.get 6
                                      br_if 0 (;@16;)
                                      local.get 1
                                      local.get 5
                                      i32.store offset=244
                                      i32.const 0
                                      local.set 7
                                      local.get 1
                                      i32.const 0
                                      i32.store offset=376
                                      local.get 1
                                      i64.const 4294967296
                                      i64.store offset=368 align=4
                                      i32.const 1
                                      local.set 8
                                      block ;; label = @17
                                        loop ;; label = @18
                                          local.get 1
                                          i32.load offset=244
                                          local.get 1
                                          i32.const 248
                                          i32.add
                                          call 3
                                          local.get 1
                                          i32.load8_u offset=252
                                          local.set 6
                                          local.get 1
                                          i32.load8_u offset=248
                                          br_if 1 (;@17;)
                                          local.get 6
                                          i32.const 255
                                          i32.and
                                          i32.eqz
                                          br_if 3 (;@15;)
                                          local.get 1
                                          i32.load offset=260
                                          local.tee 6
                                          i32.const -2147483648
                                          i32.eq
                                          br_if 3 (;@15;)
                                          local.get 1
                                          i32.load offset=256
                                          local.set 5
                                          block ;; label = @19
                                            block ;; label = @20
                                              block ;; label = @21
                                                local.get 1
                                                i32.load offset=368
                                                local.get 7
                                                i32.sub
                                                local.get 6
                                                i32.ge_u
                                                br_if 0 (;@21;)
                                                local.get 1
                                                i32.const 48
                                                i32.add
                                                local.get 1
                                                i32.const 368
                                                i32.add
                                                local.get 7
                                                local.get 6
                                                i32.const 1
                                                i32.const 1
                                                call 18
                                                local.get 1
                                                i32.load offset=48
                                                local.tee 7
                                                i32.const -2147483647
                                                i32.ne
                                                br_if 20 (;@1;)
                                                local.get 1
                                                i32.load offset=372
                                                local.set 8
                                                local.get 1
                                                i32.load offset=376
                                                local.set 7
                                                br 1 (;@20;)
                                              end
                                              local.get 6
                                              i32.eqz
                                              br_if 1 (;@19;)
                                            end
                                            block ;; label = @20
                                              local.get 6
                                              i32.eqz
                                              br_if 0 (;@20;)
                                              local.get 8
                                              local.get 7
                                              i32.add
                                              local.get 5
                                              local.get 6
                                              memory.copy
                                            end
                                            local.get 1
                                            i32.load offset=376
                                            local.set 7
                                          end
                                          local.get 1
                                          local.get 7
                                          local.get 6
                                          i32.add
                                          local.tee 7
                                          i32.store offset=376
                                          br 0 (;@18;)
                                        end
                                      end
                                      local.get 6
                                      i32.const 255
                                      i32.and
                                      local.tee 7
                                      i32.const 6
                                      local.get 7
                                      i32.const 6
                                      i32.lt_u
                                      select
                                      local.set 7
                                      local.get 1
                                      i32.const 244
                                      i32.add
                                      call 8
                                    end
                                    block ;; label = @16
                                      local.get 7
                                      br_if 0 (;@16;)
                                      i32.const 1
                                      local.set 5
                                      i32.const 9
                                      local.set 10
                                      br 2 (;@14;)
                                    end
                                    i32.const 9
                                    local.set 10
                                    local.get 1
                                    i32.const 56
                                    i32.add
                                    i32.const 9
                                    i32.const 1
                                    i32.const 1
                                    call 10
                                    global.get 1
                                    local.set 5
                                    local.get 1
                                    i32.load offset=56
                                    local.set 7
                                    local.get 1
                                    i32.load offset=60
                                    local.tee 6
                                    local.get 5
                                    i32.const 1048586
                                    i32.add
                                    local.tee 5
                                    i32.load8_u offset=8
                                    i32.store8 offset=8
                                    local.get 6
                                    local.get 5
                                    i64.load align=1
                                    i64.store align=1
                                    i32.const 3
                                    local.set 5
                                    br 1 (;@14;)
                                  end
                                  local.get 1
                                  i32.load offset=372
                                  local.set 5
                                  local.get 1
                                  i32.load offset=368
                                  local.set 8
                                  local.get 1
                                  i32.const 244
                                  i32.add
                                  call 8
                                  local.get 1
                                  i32.const 40
                                  i32.add
                                  i32.const 10
                                  i32.const 1
                                  i32.const 1
                                  call 10
                                  global.get 1
                                  local.set 9
                                  local.get 1
                                  i32.load offset=40
                                  local.set 6
                                  local.get 1
                                  i32.load offset=44
                                  local.tee 10
                                  local.get 9
                                  i32.const 1048576
                                  i32.add
                                  local.tee 9
                                  i32.load16_u offset=8 align=1
                                  i32.store16 offset=8 align=1
                                  local.get 10
                                  local.get 9
                                  i64.load align=1
                                  i64.store align=1
                                  local.get 8
                                  i32.const -2147483648
                                  i32.ne
                                  br_if 11 (;@3;)
                                end
                                global.get 1
                                i32.const 1114256
                                i32.add
                                i32.const 1
                                i32.store8
                                block ;; label = @14
                                  block ;; label = @15
                                    block ;; label = @16
                                      block ;; label = @17
                                        block ;; label = @18
                                          local.get 5
                                          br_table 0 (;@18;) 1 (;@17;) 2 (;@16;) 3 (;@15;) 4 (;@14;) 0 (;@18;)
                                        end
                                        global.get 1
                                        i32.const 1114256
                                        i32.add
                                        local.tee 5
                                        i32.const 0
                                        i32.store8 offset=4
                                        local.get 1
                                        local.get 10
                                        i32.store offset=256
                                        local.get 1
                                        local.get 6
                                        i32.store offset=252
                                        local.get 1
                                        local.get 7
                                        i32.store offset=248
                                        local.get 1
                                        local.get 1
                                        i32.const 248
                                        i32.add
                                        call 12
                                        local.get 5
                                        local.get 1
                                        i64.load
                                        i64.store offset=8 align=4
                                        br 15 (;@2;)
                                      end
                                      global.get 1
                                      i32.const 1114256
                                      i32.add
                                      i32.const 1
                                      i32.store8 offset=4
                                      br 14 (;@2;)
                                    end
                                    global.get 1
                                    i32.const 1114256
                                    i32.add
                                    i32.const 2
                                    i32.store8 offset=4
                                    br 13 (;@2;)
                                  end
                                  global.get 1
                                  i32.const 1114256
                                  i32.add
                                  local.tee 5
                                  i32.const 3
                                  i32.store8 offset=4
                                  local.get 1
                                  local.get 10
                                  i32.store offset=256
                                  local.get 1
                                  local.get 6
                                  i32.store offset=252
                                  local.get 1
                                  local.get 7
                                  i32.store offset=248
                                  local.get 1
                                  i32.const 8
                                  i32.add
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  call 12
                                  local.get 5
                                  local.get 1
                                  i64.load offset=8
                                  i64.store offset=8 align=4
                                  br 12 (;@2;)
                                end
                                global.get 1
                                i32.const 1114256
                                i32.add
                                local.tee 5
                                i32.const 4
                                i32.store8 offset=4
                                local.get 1
                                local.get 10
                                i32.store offset=256
                                local.get 1
                                local.get 6
                                i32.store offset=252
                                local.get 1
                                local.get 7
                                i32.store offset=248
                                local.get 1
                                i32.const 16
                                i32.add
                                local.get 1
                                i32.const 248
                                i32.add
                                call 12
                                local.get 5
                                local.get 1
                                i64.load offset=16
                                i64.store offset=8 align=4
                                br 11 (;@2;)
                              end
                              local.get 9
                              local.get 1
                              i64.load offset=248 align=4
                              i64.store align=4
                              local.get 9
                              local.get 1
                              i32.load offset=256
                              i32.store offset=8
                              local.get 1
                              local.get 10
                              i32.store offset=216
                              local.get 1
                              local.get 4
                              i32.store offset=212
                              local.get 1
                              local.get 10
                              i32.store offset=208
                              local.get 8
                              i32.const 1
                              i32.add
                              local.set 8
                              local.get 1
                              i32.const 196
                              i32.add
                              local.get 1
                              i32.const 208
                              i32.add
                              call 14
                              br 0 (;@12;)
                            end
                          end
                          local.get 9
                          local.get 1
                          i64.load offset=248 align=4
                          i64.store align=4
                          local.get 9
                          local.get 1
                          i32.load offset=256
                          i32.store offset=8
                          local.get 1
                          local.get 10
                          i32.store offset=168
                          local.get 1
                          local.get 4
                          i32.store offset=164
                          local.get 1
                          local.get 10
                          i32.store offset=160
                          local.get 8
                          i32.const 1
                          i32.add
                          local.set 8
                          local.get 1
                          i32.const 148
                          i32.add
                          local.get 1
                          i32.const 160
                          i32.add
                          call 14
                          br 0 (;@10;)
                        end
                      end
                      local.get 1
                      local.get 7
                      i32.const 8
                      i32.add
                      i32.load
                      local.tee 8
                      i32.store offset=144
                      local.get 1
                      local.get 7
                      i32.const 4
                      i32.add
                      i32.load
                      i32.store offset=140
                      local.get 1
                      local.get 8
                      i32.store offset=136
                      i32.const 3
                      local.set 8
                      local.get 1
                      i32.const 136
                      i32.add
                      local.set 10
                      br 2 (;@6;)
                    end
                    local.get 1
                    local.get 7
                    i32.const 8
                    i32.add
                    i32.load
                    local.tee 8
                    i32.store offset=120
                    local.get 1
                    local.get 7
                    i32.const 4
                    i32.add
                    i32.load
                    i32.store offset=116
                    local.get 1
                    local.get 8
                    i32.store offset=112
                    i32.const 1
                    local.set 8
                    local.get 1
                    i32.const 112
                    i32.add
                    local.set 10
                    br 1 (;@6;)
                  end
                  local.get 1
                  local.get 7
                  i32.const 8
                  i32.add
                  i32.load
                  local.tee 8
                  i32.store offset=132
                  local.get 1
                  local.get 7
                  i32.const 4
                  i32.add
                  i32.load
                  i32.store offset=128
                  local.get 1
                  local.get 8
                  i32.store offset=124
                  i32.const 2
                  local.set 8
                  local.get 1
                  i32.const 124
                  i32.add
                  local.set 10
                end
                local.get 1
                local.get 10
                i32.load offset=8
                i32.store offset=104
                local.get 1
                local.get 10
                i64.load align=4
                i64.store offset=96
              end
              local.get 7
              i32.const 16
              i32.add
              local.set 10
              block ;; label = @5
                block ;; label = @6
                  local.get 7
                  i32.const 24
                  i32.add
                  i32.load8_u
                  br_if 0 (;@6;)
                  i32.const -2147483648
                  local.set 9
                  br 1 (;@5;)
                end
                local.get 7
                i32.const 32
                i32.add
                i32.load
                local.tee 9
                i64.extend_i32_u
                i64.const 32
                i64.shl
                local.get 7
                i32.const 28
                i32.add
                i64.load32_u
                i64.or
                local.set 11
              end
              local.get 10
              i64.load
              local.set 12
              block ;; label = @5
                local.get 6
                local.get 1
                i32.load offset=84
                i32.ne
                br_if 0 (;@5;)
                local.get 1
                i32.const 84
                i32.add
                call 20
                local.get 1
                i32.load offset=88
                local.set 4
              end
              local.get 4
              local.get 5
              i32.add
              local.tee 7
              local.get 8
              i32.store
              local.get 7
              i32.const 4
              i32.add
              local.get 1
              i64.load offset=96
              i64.store align=4
              local.get 7
              i32.const 12
              i32.add
              local.get 1
              i32.load offset=104
              i32.store
              local.get 7
              i32.const 28
              i32.add
              local.get 11
              i64.store align=4
              local.get 7
              i32.const 24
              i32.add
              local.get 9
              i32.store
              local.get 7
              i32.const 16
              i32.add
              local.get 12
              i64.store
              local.get 6
              i32.const 1
              i32.add
              local.set 6
              local.get 5
              i32.const 40
              i32.add
              local.set 5
              br 0 (;@4;)
            end
          end
          global.get 1
          i32.const 1114256
          i32.add
          local.tee 9
          i32.const 0
          i32.store8
          local.get 1
          local.get 7
          i32.store offset=256
          local.get 1
          local.get 5
          i32.store offset=252
          local.get 1
          local.get 8
          i32.store offset=248
          local.get 1
          i32.const 32
          i32.add
          local.get 1
          i32.const 248
          i32.add
          call 12
          local.get 9
          local.get 1
          i64.load offset=32
          i64.store offset=4 align=4
          local.get 1
          i32.const 10
          i32.store offset=256
          local.get 1
          local.get 10
          i32.store offset=252
          local.get 1
          local.get 6
          i32.store offset=248
          local.get 1
          i32.const 24
          i32.add
          local.get 1
          i32.const 248
          i32.add
          call 12
          local.get 9
          i64.const 0
          i64.store offset=20 align=4
          local.get 9
          local.get 1
          i64.load offset=24
          i64.store offset=12 align=4
        end
        global.get 1
        local.set 7
        local.get 1
        i32.const 384
        i32.add
        global.set 0
        local.get 7
        i32.const 1114256
        i32.add
        return
      end
      local.get 7
      local.get 1
      i32.load offset=52
      call 19
      unreachable
    )
    (func (;27;) (type 0) (param i32)
      (local i32)
      block ;; label = @1
        local.get 0
        i32.load
        i32.eqz
        br_if 0 (;@1;)
        local.get 0
        i32.load offset=8
        local.set 1
        local.get 0
        i32.load offset=4
        local.set 0
        loop ;; label = @2
          local.get 0
          i32.eqz
          br_if 1 (;@1;)
          local.get 1
          i32.const 255
          i32.store8
          local.get 0
          i32.const -1
          i32.add
          local.set 0
          local.get 1
          i32.const 1
          i32.add
          local.set 1
          br 0 (;@2;)
        end
      end
    )
    (func (;28;) (type 2)
      call 7
      unreachable
    )
    (func (;29;) (type 2))
    (func (;30;) (type 6) (param i32 i32 i32 i32) (result i32)
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            local.get 1
            br_if 0 (;@3;)
            local.get 3
            i32.eqz
            br_if 2 (;@1;)
            local.get 3
            local.get 2
            call 6
            local.set 2
            br 1 (;@2;)
          end
          local.get 0
          local.get 1
          local.get 2
          local.get 3
          call 13
          local.set 2
        end
        local.get 2
        br_if 0 (;@1;)
        unreachable
      end
      local.get 2
    )
    (data (;0;) (i32.const 1048576) "text/plainno answerinput 1 cannot be readfrozen-handler0.1.0Asks a model.ask")
    (data (;1;) (i32.const 1048656) "\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\00\00\00\00\88\00\10\00")
  )
  (core module (;1;)
    (type (;0;) (func (param i32 i32)))
    (type (;1;) (func (param i32 i32)))
    (table (;0;) 3 3 funcref)
    (export "0" (func 0))
    (export "1" (func 1))
    (export "2" (func 2))
    (export "$imports" (table 0))
    (func (;0;) (type 0) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 0
      call_indirect (type 0)
    )
    (func (;1;) (type 1) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 1
      call_indirect (type 1)
    )
    (func (;2;) (type 1) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 2
      call_indirect (type 1)
    )
  )
  (core module (;2;)
    (type (;0;) (func (param i32 i32)))
    (type (;1;) (func (param i32 i32)))
    (import "" "0" (func (;0;) (type 0)))
    (import "" "1" (func (;1;) (type 1)))
    (import "" "2" (func (;2;) (type 1)))
    (import "" "$imports" (table (;0;) 3 3 funcref))
    (elem (;0;) (i32.const 0) func 0 1 2)
  )
  (core instance (;0;) (instantiate 1))
  (alias export 0 "job" (type (;6;)))
  (alias export 0 "output" (type (;7;)))
  (alias export 0 "param" (type (;8;)))
  (type (;9;) (variant (case "invalid" string) (case "no-backend") (case "timeout") (case "failed" string) (case "invalid-setting" string)))
  (alias export 1 "completion" (type (;10;)))
  (core func (;0;) (canon resource.drop 10))
  (alias core export 0 "0" (core func (;1;)))
  (alias core export 0 "1" (core func (;2;)))
  (core instance (;1;)
    (export "[resource-drop]completion" (func 0))
    (export "generate" (func 1))
    (export "[method]completion.next" (func 2))
  )
  (alias core export 0 "2" (core func (;3;)))
  (core instance (;2;)
    (export "read" (func 3))
  )
  (core instance (;3;) (instantiate 0
      (with "pylon:provider/inference@0.1.0" (instance 1))
      (with "pylon:provider/inputs@0.1.0" (instance 2))
    )
  )
  (alias core export 3 "memory" (core memory (;0;)))
  (alias core export 0 "$imports" (core table (;0;)))
  (alias export 1 "generate" (func (;0;)))
  (alias core export 3 "cabi_realloc" (core func (;4;)))
  (core func (;5;) (canon lower (func 0) (memory 0) (realloc 4) string-encoding=utf8))
  (alias export 1 "[method]completion.next" (func (;1;)))
  (core func (;6;) (canon lower (func 1) (memory 0) (realloc 4) string-encoding=utf8))
  (alias export 2 "read" (func (;2;)))
  (core func (;7;) (canon lower (func 2) (memory 0) (realloc 4) string-encoding=utf8))
  (core instance (;4;)
    (export "$imports" (table 0))
    (export "0" (func 5))
    (export "1" (func 6))
    (export "2" (func 7))
  )
  (core instance (;5;) (instantiate 2
      (with "" (instance 4))
    )
  )
  (type (;11;) (func (result 5)))
  (alias core export 3 "describe" (core func (;8;)))
  (alias core export 3 "cabi_post_describe" (core func (;9;)))
  (func (;3;) (type 11) (canon lift (core func 8) (memory 0) string-encoding=utf8 (post-return 9)))
  (export (;4;) "describe" (func 3))
  (type (;12;) (list 8))
  (type (;13;) (result 7 (error 9)))
  (type (;14;) (func (param "job" 6) (param "settings" 12) (param "deadline-ms" u64) (result 13)))
  (alias core export 3 "pylon:provider/handler@0.1.0#run" (core func (;10;)))
  (alias core export 3 "cabi_post_pylon:provider/handler@0.1.0#run" (core func (;11;)))
  (func (;5;) (type 14) (canon lift (core func 10) (memory 0) (realloc 4) string-encoding=utf8 (post-return 11)))
  (alias export 0 "job-id" (type (;15;)))
  (alias export 0 "public-key" (type (;16;)))
  (alias export 0 "unix-time" (type (;17;)))
  (alias export 0 "event-id" (type (;18;)))
  (alias export 0 "input-source" (type (;19;)))
  (alias export 0 "input" (type (;20;)))
  (alias export 0 "param" (type (;21;)))
  (alias export 0 "msat" (type (;22;)))
  (alias export 0 "job" (type (;23;)))
  (alias export 0 "attribute" (type (;24;)))
  (alias export 0 "output" (type (;25;)))
  (component (;0;)
    (type (;0;) string)
    (import "import-type-job-id" (type (;1;) (eq 0)))
    (type (;2;) string)
    (import "import-type-public-key" (type (;3;) (eq 2)))
    (type (;4;) u64)
    (import "import-type-unix-time" (type (;5;) (eq 4)))
    (type (;6;) string)
    (import "import-type-event-id" (type (;7;) (eq 6)))
    (type (;8;) (variant (case "text") (case "url" string) (case "event" 7) (case "job" 1)))
    (import "import-type-input-source" (type (;9;) (eq 8)))
    (type (;10;) (option string))
    (type (;11;) (record (field "source" 9) (field "bytes" u64) (field "marker" 10)))
    (import "import-type-input" (type (;12;) (eq 11)))
    (type (;13;) (list string))
    (type (;14;) (record (field "name" string) (field "values" 13)))
    (import "import-type-param" (type (;15;) (eq 14)))
    (type (;16;) u64)
    (import "import-type-msat" (type (;17;) (eq 16)))
    (type (;18;) (list 12))
    (type (;19;) (list 15))
    (type (;20;) (option 17))
    (type (;21;) (record (field "id" 1) (field "kind" u16) (field "customer" 3) (field "created-at" 5) (field "inputs" 18) (field "params" 19) (field "output" 10) (field "bid-msat" 20) (field "targeted" bool) (field "confidential" bool)))
    (import "import-type-job" (type (;22;) (eq 21)))
    (type (;23;) (record (field "name" string) (field "value" string)))
    (import "import-type-attribute" (type (;24;) (eq 23)))
    (type (;25;) (list 24))
    (type (;26;) (record (field "content" string) (field "mime" string) (field "attributes" 25)))
    (import "import-type-output" (type (;27;) (eq 26)))
    (import "import-type-job0" (type (;28;) (eq 22)))
    (import "import-type-param0" (type (;29;) (eq 15)))
    (type (;30;) (list 29))
    (import "import-type-output0" (type (;31;) (eq 27)))
    (type (;32;) (variant (case "invalid" string) (case "no-backend") (case "timeout") (case "failed" string) (case "invalid-setting" string)))
    (import "import-type-job-error" (type (;33;) (eq 32)))
    (type (;34;) (result 31 (error 33)))
    (type (;35;) (func (param "job" 28) (param "settings" 30) (param "deadline-ms" u64) (result 34)))
    (import "import-func-run" (func (;0;) (type 35)))
    (export (;36;) "job" (type 22))
    (export (;37;) "output" (type 27))
    (export (;38;) "param" (type 15))
    (type (;39;) (variant (case "invalid" string) (case "no-backend") (case "timeout") (case "failed" string) (case "invalid-setting" string)))
    (export (;40;) "job-error" (type 39))
    (type (;41;) (list 38))
    (type (;42;) (result 37 (error 40)))
    (type (;43;) (func (param "job" 36) (param "settings" 41) (param "deadline-ms" u64) (result 42)))
    (export (;1;) "run" (func 0) (func (type 43)))
  )
  (instance (;4;) (instantiate 0
      (with "import-func-run" (func 5))
      (with "import-type-job-id" (type 15))
      (with "import-type-public-key" (type 16))
      (with "import-type-unix-time" (type 17))
      (with "import-type-event-id" (type 18))
      (with "import-type-input-source" (type 19))
      (with "import-type-input" (type 20))
      (with "import-type-param" (type 21))
      (with "import-type-msat" (type 22))
      (with "import-type-job" (type 23))
      (with "import-type-attribute" (type 24))
      (with "import-type-output" (type 25))
      (with "import-type-job0" (type 6))
      (with "import-type-param0" (type 8))
      (with "import-type-output0" (type 7))
      (with "import-type-job-error" (type 9))
    )
  )
  (export (;5;) "pylon:provider/handler@0.1.0" (instance 4))
)

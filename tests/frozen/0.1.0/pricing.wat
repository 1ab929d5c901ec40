(component
  (type (;0;)
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
  (import "pylon:provider/description@0.1.0" (instance (;0;) (type 0)))
  (type (;1;)
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
      (type (;23;) (variant (case "no-backend") (case "bid-too-low" 17) (case "unsupported" string) (case "busy" u32) (case "blocked") (case "other" string) (case "invalid-setting" string)))
      (export (;24;) "refusal" (type (eq 23)))
      (type (;25;) (record (field "backend" string) (field "model" string)))
      (export (;26;) "model-target" (type (eq 25)))
      (type (;27;) (record (field "backend" string) (field "isolation" string)))
      (export (;28;) "agent-target" (type (eq 27)))
      (type (;29;) (variant (case "model" 26) (case "agent" 28)))
      (export (;30;) "execution-target" (type (eq 29)))
      (type (;31;) (record (field "target" 30) (field "price-permille" u32)))
      (export (;32;) "route" (type (eq 31)))
      (type (;33;) (record (field "now" 5) (field "settings" 19) (field "queued" u32) (field "running" u32) (field "capacity" u32) (field "extra" 19)))
      (export (;34;) "situation" (type (eq 33)))
      (type (;35;) (record (field "input-tokens" u64) (field "output-tokens" u64) (field "cached-tokens" u64) (field "estimated" bool) (field "work-ms" u64) (field "cpu-ms" u64) (field "peak-memory-bytes" u64) (field "disk-bytes" u64) (field "network-bytes" u64)))
      (export (;36;) "usage" (type (eq 35)))
    )
  )
  (import "pylon:provider/types@0.1.0" (instance (;1;) (type 1)))
  (alias export 0 "manifest" (type (;2;)))
  (import "manifest" (type (;3;) (eq 2)))
  (core module (;0;)
    (type (;0;) (func))
    (type (;1;) (func (param i32 i32)))
    (type (;2;) (func (param i32 i32 i32 i32)))
    (type (;3;) (func (param i32 i32 i32 i32) (result i32)))
    (type (;4;) (func (param i32)))
    (type (;5;) (func (param i32 i32 i32 i32 i32)))
    (type (;6;) (func (result i32)))
    (type (;7;) (func (param i32 i32 i32)))
    (type (;8;) (func (param i32 i32) (result i32)))
    (type (;9;) (func (param i32) (result i32)))
    (type (;10;) (func (param i32) (result i64)))
    (type (;11;) (func (param i32 i64 i64 i64 i64)))
    (type (;12;) (func (param i32 i32 i32) (result i32)))
    (table (;0;) 2 2 funcref)
    (memory (;0;) 18)
    (global (;0;) (mut i32) i32.const 1048576)
    (global (;1;) i32 i32.const 0)
    (export "memory" (memory 0))
    (export "cabi_post_describe" (func 20))
    (export "cabi_post_pylon:provider/pricing@0.1.0#quote" (func 21))
    (export "describe" (func 22))
    (export "pylon:provider/pricing@0.1.0#quote" (func 27))
    (export "pylon:provider/pricing@0.1.0#settle" (func 28))
    (export "cabi_realloc" (func 32))
    (elem (;0;) (i32.const 1) func 30)
    (func (;0;) (type 0))
    (func (;1;) (type 1) (param i32 i32)
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
      call 2
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
    (func (;2;) (type 2) (param i32 i32 i32 i32)
      (local i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 4
      global.set 0
      local.get 4
      i32.const 4
      i32.add
      local.get 1
      local.get 2
      local.get 3
      call 19
      local.get 4
      i32.load offset=8
      local.set 3
      block ;; label = @1
        local.get 4
        i32.load offset=4
        i32.const 1
        i32.ne
        br_if 0 (;@1;)
        local.get 3
        local.get 4
        i32.load offset=12
        call 18
        unreachable
      end
      local.get 0
      local.get 4
      i32.load offset=12
      i32.store offset=4
      local.get 0
      local.get 3
      i32.store
      local.get 4
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;3;) (type 1) (param i32 i32)
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
      call 2
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
    (func (;4;) (type 1) (param i32 i32)
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
      i32.const 1
      i32.const 1
      call 2
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
    (func (;5;) (type 1) (param i32 i32)
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
      i32.const 8
      i32.const 40
      call 2
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
    (func (;6;) (type 1) (param i32 i32)
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
          call 7
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
      call 8
      unreachable
    )
    (func (;7;) (type 3) (param i32 i32 i32 i32) (result i32)
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
        call 25
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
    (func (;8;) (type 0)
      unreachable
    )
    (func (;9;) (type 1) (param i32 i32)
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
        call 10
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
    (func (;10;) (type 4) (param i32)
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
      i32.const 4
      i32.const 12
      call 17
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
        call 18
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;11;) (type 1) (param i32 i32)
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
        call 12
      end
      local.get 0
      local.get 2
      i32.const 1
      i32.add
      i32.store offset=8
      local.get 0
      i32.load offset=4
      local.get 2
      i32.add
      local.get 1
      i32.store8
    )
    (func (;12;) (type 4) (param i32)
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
      i32.const 1
      call 17
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
        call 18
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;13;) (type 1) (param i32 i32)
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
        call 14
      end
      local.get 0
      i32.load offset=4
      local.get 2
      i32.const 40
      i32.mul
      i32.add
      local.get 1
      i32.const 40
      memory.copy
      local.get 0
      local.get 2
      i32.const 1
      i32.add
      i32.store offset=8
    )
    (func (;14;) (type 4) (param i32)
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
      i32.const 8
      i32.const 40
      call 17
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
        call 18
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;15;) (type 1) (param i32 i32)
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
        call 16
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
    (func (;16;) (type 4) (param i32)
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
      i32.const 4
      i32.const 24
      call 17
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
        call 18
        unreachable
      end
      local.get 1
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;17;) (type 5) (param i32 i32 i32 i32 i32)
      (local i32 i32 i32 i32 i32 i64)
      global.get 0
      i32.const 32
      i32.sub
      local.tee 5
      global.set 0
      i32.const 0
      local.set 6
      local.get 5
      i32.const 20
      i32.add
      local.set 7
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            local.get 4
            i64.extend_i32_u
            local.get 2
            i32.const 1
            i32.add
            local.tee 2
            local.get 1
            i32.load
            local.tee 8
            i32.const 1
            i32.shl
            local.tee 9
            local.get 2
            local.get 9
            i32.gt_u
            select
            local.tee 2
            i32.const 8
            i32.const 4
            local.get 4
            i32.const 1
            i32.eq
            select
            local.tee 9
            local.get 2
            local.get 9
            i32.gt_u
            select
            local.tee 9
            i64.extend_i32_u
            i64.mul
            local.tee 10
            i64.const 32
            i64.shr_u
            i32.wrap_i64
            br_if 0 (;@3;)
            local.get 10
            i32.wrap_i64
            local.tee 2
            i32.const -2147483648
            local.get 3
            i32.sub
            i32.gt_u
            br_if 0 (;@3;)
            block ;; label = @4
              block ;; label = @5
                local.get 8
                br_if 0 (;@5;)
                i32.const 0
                local.set 4
                local.get 5
                i32.const 28
                i32.add
                local.set 6
                br 1 (;@4;)
              end
              local.get 1
              i32.load offset=4
              local.set 7
              local.get 5
              local.get 3
              i32.store offset=28
              local.get 8
              local.get 4
              i32.mul
              local.set 4
              local.get 5
              i32.const 24
              i32.add
              local.set 6
            end
            local.get 6
            local.get 4
            i32.store
            block ;; label = @4
              block ;; label = @5
                local.get 5
                i32.load offset=28
                i32.eqz
                br_if 0 (;@5;)
                block ;; label = @6
                  local.get 5
                  i32.load offset=24
                  local.tee 4
                  br_if 0 (;@6;)
                  local.get 5
                  i32.const 8
                  i32.add
                  local.get 3
                  local.get 2
                  call 31
                  local.get 5
                  i32.load offset=8
                  local.set 4
                  br 2 (;@4;)
                end
                local.get 7
                local.get 4
                local.get 3
                local.get 2
                call 7
                local.set 4
                br 1 (;@4;)
              end
              local.get 5
              local.get 3
              local.get 2
              call 31
              local.get 5
              i32.load
              local.set 4
            end
            local.get 4
            br_if 1 (;@2;)
            local.get 5
            local.get 3
            i32.store offset=20
            local.get 5
            i32.const 16
            i32.add
            local.set 7
            local.get 2
            local.set 6
          end
          local.get 7
          local.get 6
          i32.store
          local.get 5
          i32.load offset=16
          local.set 4
          local.get 5
          i32.load offset=20
          local.set 1
          br 1 (;@1;)
        end
        local.get 1
        local.get 9
        i32.store
        local.get 1
        local.get 4
        i32.store offset=4
        i32.const -2147483647
        local.set 1
      end
      local.get 0
      local.get 4
      i32.store offset=4
      local.get 0
      local.get 1
      i32.store
      local.get 5
      i32.const 32
      i32.add
      global.set 0
    )
    (func (;18;) (type 1) (param i32 i32)
      block ;; label = @1
        local.get 0
        i32.eqz
        br_if 0 (;@1;)
        call 8
        unreachable
      end
      call 29
      unreachable
    )
    (func (;19;) (type 2) (param i32 i32 i32 i32)
      (local i32 i64 i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 4
      global.set 0
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            block ;; label = @4
              local.get 3
              i64.extend_i32_u
              local.get 1
              i64.extend_i32_u
              i64.mul
              local.tee 5
              i64.const 32
              i64.shr_u
              i32.wrap_i64
              br_if 0 (;@4;)
              local.get 5
              i32.wrap_i64
              local.tee 3
              i32.const -2147483648
              local.get 2
              i32.sub
              i32.gt_u
              br_if 0 (;@4;)
              local.get 3
              br_if 1 (;@3;)
              local.get 0
              local.get 2
              i32.store offset=8
              i32.const 0
              local.set 2
              local.get 0
              i32.const 0
              i32.store offset=4
              br 3 (;@1;)
            end
            local.get 0
            i32.const 0
            i32.store offset=4
            br 1 (;@2;)
          end
          local.get 4
          i32.const 8
          i32.add
          local.get 2
          local.get 3
          call 31
          block ;; label = @3
            local.get 4
            i32.load offset=8
            local.tee 6
            i32.eqz
            br_if 0 (;@3;)
            local.get 0
            local.get 6
            i32.store offset=8
            local.get 0
            local.get 1
            i32.store offset=4
            i32.const 0
            local.set 2
            br 2 (;@1;)
          end
          local.get 0
          local.get 3
          i32.store offset=8
          local.get 0
          local.get 2
          i32.store offset=4
        end
        i32.const 1
        local.set 2
      end
      local.get 0
      local.get 2
      i32.store
      local.get 4
      i32.const 16
      i32.add
      global.set 0
    )
    (func (;20;) (type 4) (param i32))
    (func (;21;) (type 4) (param i32))
    (func (;22;) (type 6) (result i32)
      (local i32 i32 i32 i32 i32 i32 i32 i64)
      global.get 0
      i32.const 240
      i32.sub
      local.tee 0
      global.set 0
      global.get 1
      local.set 1
      call 23
      local.get 0
      i32.const 200
      i32.add
      local.get 1
      i32.const 1048576
      i32.add
      i32.const 10
      call 24
      local.get 0
      i32.const 200
      i32.add
      i32.const 12
      i32.add
      local.get 1
      i32.const 1048586
      i32.add
      i32.const 3
      call 24
      local.get 0
      i32.const 200
      i32.add
      i32.const 24
      i32.add
      local.get 1
      i32.const 1048589
      i32.add
      i32.const 30
      call 24
      block ;; label = @1
        i32.const 36
        i32.const 4
        call 25
        local.tee 2
        i32.eqz
        br_if 0 (;@1;)
        local.get 2
        local.get 0
        i32.const 200
        i32.add
        i32.const 36
        memory.copy
        local.get 0
        i32.const 96
        i32.add
        local.tee 3
        global.get 1
        local.tee 1
        i32.const 1048619
        i32.add
        i32.const 14
        call 24
        local.get 0
        i32.const 108
        i32.add
        local.tee 4
        local.get 1
        i32.const 1048633
        i32.add
        i32.const 5
        call 24
        local.get 0
        i32.const 120
        i32.add
        local.tee 5
        local.get 1
        i32.const 1048638
        i32.add
        i32.const 18
        call 24
        i32.const 0
        local.set 6
        local.get 0
        i32.const 0
        i32.store offset=164
        local.get 0
        i64.const 17179869184
        i64.store offset=156 align=4
        local.get 0
        i64.const 4
        i64.store offset=148 align=4
        local.get 0
        i64.const 1
        i64.store offset=140 align=4
        local.get 0
        local.get 2
        i32.store offset=136
        local.get 0
        i32.const 1
        i32.store offset=132
        local.get 0
        i64.const 0
        i64.store offset=56
        local.get 0
        i32.const 48
        i32.add
        local.get 3
        call 6
        local.get 1
        i32.const 1114320
        i32.add
        local.tee 1
        local.get 0
        i64.load offset=48
        i64.store
        local.get 0
        i32.const 40
        i32.add
        local.get 4
        call 6
        local.get 1
        local.get 0
        i64.load offset=40
        i64.store offset=8
        local.get 0
        i32.const 32
        i32.add
        local.get 5
        call 6
        local.get 1
        local.get 0
        i64.load offset=32
        i64.store offset=16
        local.get 0
        i32.const 200
        i32.add
        i32.const 24
        call 26
        local.get 0
        i32.load offset=200
        local.set 5
        i32.const 0
        local.set 3
        block ;; label = @2
          loop ;; label = @3
            local.get 3
            i32.const 36
            i32.eq
            br_if 1 (;@2;)
            local.get 2
            local.get 3
            i32.add
            local.tee 1
            i32.load
            local.tee 4
            i32.const -2147483648
            i32.eq
            br_if 1 (;@2;)
            local.get 1
            i32.const 4
            i32.add
            i64.load align=4
            local.set 7
            local.get 0
            local.get 1
            i32.const 20
            i32.add
            i32.load
            i32.store offset=192
            local.get 0
            local.get 1
            i32.const 12
            i32.add
            i64.load align=4
            i64.store offset=184
            local.get 0
            local.get 1
            i32.const 32
            i32.add
            i32.load
            i32.store offset=208
            local.get 0
            local.get 1
            i32.const 24
            i32.add
            i64.load align=4
            i64.store offset=200
            local.get 0
            local.get 7
            i64.store offset=176 align=4
            local.get 0
            local.get 4
            i32.store offset=172
            local.get 0
            i32.const 24
            i32.add
            local.get 0
            i32.const 172
            i32.add
            call 6
            local.get 5
            local.get 6
            i32.add
            local.tee 1
            local.get 0
            i64.load offset=24
            i64.store align=4
            local.get 0
            i32.const 16
            i32.add
            local.get 0
            i32.const 184
            i32.add
            call 6
            local.get 1
            i32.const 8
            i32.add
            local.get 0
            i64.load offset=16
            i64.store align=4
            local.get 0
            i32.const 8
            i32.add
            local.get 0
            i32.const 200
            i32.add
            call 6
            local.get 1
            i32.const 16
            i32.add
            local.get 0
            i64.load offset=8
            i64.store align=4
            local.get 6
            i32.const 24
            i32.add
            local.set 6
            local.get 3
            i32.const 36
            i32.add
            local.set 3
            br 0 (;@3;)
          end
        end
        global.get 1
        i32.const 1114320
        i32.add
        local.tee 1
        local.get 5
        i32.store offset=24
        local.get 1
        i32.const 1
        i32.store offset=28
        local.get 0
        i32.const 200
        i32.add
        i32.const 0
        call 26
        local.get 1
        i32.const 0
        i32.store offset=36
        local.get 1
        local.get 0
        i32.load offset=200
        i32.store offset=32
        local.get 0
        i32.const 200
        i32.add
        i32.const 0
        call 26
        local.get 1
        i32.const 0
        i32.store offset=44
        local.get 1
        i32.const 0
        i32.store8 offset=48
        local.get 1
        local.get 0
        i32.load offset=200
        i32.store offset=40
        local.get 0
        i32.const 240
        i32.add
        global.set 0
        local.get 1
        return
      end
      call 8
      unreachable
    )
    (func (;23;) (type 0)
      (local i32)
      block ;; label = @1
        global.get 1
        i32.const 1114408
        i32.add
        i32.load8_u
        br_if 0 (;@1;)
        global.get 1
        local.set 0
        call 0
        local.get 0
        i32.const 1114408
        i32.add
        i32.const 1
        i32.store8
      end
    )
    (func (;24;) (type 7) (param i32 i32 i32)
      (local i32 i32 i32)
      global.get 0
      i32.const 16
      i32.sub
      local.tee 3
      global.set 0
      local.get 3
      i32.const 4
      i32.add
      local.get 2
      i32.const 1
      i32.const 1
      call 19
      local.get 3
      i32.load offset=8
      local.set 4
      block ;; label = @1
        local.get 3
        i32.load offset=4
        i32.const 1
        i32.eq
        br_if 0 (;@1;)
        local.get 3
        i32.load offset=12
        local.set 5
        block ;; label = @2
          local.get 2
          i32.eqz
          br_if 0 (;@2;)
          local.get 2
          i32.eqz
          br_if 0 (;@2;)
          local.get 5
          local.get 1
          local.get 2
          memory.copy
        end
        local.get 0
        local.get 2
        i32.store offset=8
        local.get 0
        local.get 5
        i32.store offset=4
        local.get 0
        local.get 4
        i32.store
        local.get 3
        i32.const 16
        i32.add
        global.set 0
        return
      end
      local.get 4
      local.get 3
      i32.load offset=12
      call 18
      unreachable
    )
    (func (;25;) (type 8) (param i32 i32) (result i32)
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
    (func (;26;) (type 1) (param i32 i32)
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
        call 25
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
      call 8
      unreachable
    )
    (func (;27;) (type 9) (param i32) (result i32)
      (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64)
      global.get 0
      i32.const 352
      i32.sub
      local.tee 1
      global.set 0
      call 23
      local.get 0
      i32.load offset=32
      local.set 2
      local.get 1
      i32.const 52
      i32.add
      local.get 0
      i32.load offset=36
      local.tee 3
      call 5
      local.get 1
      i32.const 64
      i32.add
      i32.const 4
      i32.or
      local.set 4
      block ;; label = @1
        block ;; label = @2
          block ;; label = @3
            block ;; label = @4
              loop ;; label = @5
                block ;; label = @6
                  block ;; label = @7
                    block ;; label = @8
                      block ;; label = @9
                        block ;; label = @10
                          block ;; label = @11
                            local.get 3
                            i32.eqz
                            br_if 0 (;@11;)
                            local.get 2
                            i32.load8_u
                            local.tee 5
                            br_table 5 (;@6;) 2 (;@9;) 3 (;@8;) 1 (;@10;)
                          end
                          local.get 0
                          i32.load offset=40
                          local.set 6
                          local.get 1
                          i32.const 156
                          i32.add
                          local.get 0
                          i32.load offset=44
                          local.tee 7
                          call 1
                          local.get 1
                          i32.const 180
                          i32.add
                          local.set 8
                          i32.const 0
                          local.set 9
                          loop ;; label = @11
                            block ;; label = @12
                              block ;; label = @13
                                local.get 9
                                local.get 7
                                i32.eq
                                br_if 0 (;@13;)
                                local.get 6
                                local.get 9
                                i32.const 4
                                i32.shl
                                i32.add
                                local.tee 3
                                i32.load offset=8
                                local.set 2
                                local.get 3
                                i32.load offset=4
                                local.set 4
                                local.get 3
                                i32.load
                                local.set 10
                                local.get 1
                                i32.const 328
                                i32.add
                                local.get 3
                                i32.load offset=12
                                local.tee 3
                                call 3
                                loop ;; label = @14
                                  local.get 3
                                  i32.eqz
                                  br_if 2 (;@12;)
                                  local.get 1
                                  local.get 2
                                  i32.load
                                  i32.store offset=196
                                  local.get 1
                                  local.get 2
                                  i32.const 4
                                  i32.add
                                  i32.load
                                  local.tee 5
                                  i32.store offset=200
                                  local.get 1
                                  local.get 5
                                  i32.store offset=192
                                  local.get 3
                                  i32.const -1
                                  i32.add
                                  local.set 3
                                  local.get 2
                                  i32.const 8
                                  i32.add
                                  local.set 2
                                  local.get 1
                                  i32.const 328
                                  i32.add
                                  local.get 1
                                  i32.const 192
                                  i32.add
                                  call 9
                                  br 0 (;@14;)
                                end
                              end
                              local.get 0
                              i32.load offset=120
                              local.set 3
                              local.get 1
                              i32.const 204
                              i32.add
                              local.get 0
                              i32.load offset=124
                              local.tee 2
                              call 4
                              block ;; label = @13
                                loop ;; label = @14
                                  local.get 2
                                  i32.eqz
                                  br_if 1 (;@13;)
                                  local.get 1
                                  i32.const 204
                                  i32.add
                                  local.get 3
                                  i32.load8_u
                                  call 11
                                  local.get 2
                                  i32.const -1
                                  i32.add
                                  local.set 2
                                  local.get 3
                                  i32.const 1
                                  i32.add
                                  local.set 3
                                  br 0 (;@14;)
                                end
                              end
                              local.get 0
                              i32.load offset=272
                              local.set 6
                              local.get 1
                              i32.const 216
                              i32.add
                              local.get 0
                              i32.load offset=276
                              local.tee 7
                              call 1
                              local.get 1
                              i32.const 240
                              i32.add
                              local.set 8
                              i32.const 0
                              local.set 9
                              loop ;; label = @13
                                block ;; label = @14
                                  block ;; label = @15
                                    local.get 9
                                    local.get 7
                                    i32.eq
                                    br_if 0 (;@15;)
                                    local.get 6
                                    local.get 9
                                    i32.const 4
                                    i32.shl
                                    i32.add
                                    local.tee 3
                                    i32.load offset=8
                                    local.set 2
                                    local.get 3
                                    i32.load offset=4
                                    local.set 4
                                    local.get 3
                                    i32.load
                                    local.set 10
                                    local.get 1
                                    i32.const 328
                                    i32.add
                                    local.get 3
                                    i32.load offset=12
                                    local.tee 3
                                    call 3
                                    loop ;; label = @16
                                      local.get 3
                                      i32.eqz
                                      br_if 2 (;@14;)
                                      local.get 1
                                      local.get 2
                                      i32.load
                                      i32.store offset=256
                                      local.get 1
                                      local.get 2
                                      i32.const 4
                                      i32.add
                                      i32.load
                                      local.tee 5
                                      i32.store offset=260
                                      local.get 1
                                      local.get 5
                                      i32.store offset=252
                                      local.get 3
                                      i32.const -1
                                      i32.add
                                      local.set 3
                                      local.get 2
                                      i32.const 8
                                      i32.add
                                      local.set 2
                                      local.get 1
                                      i32.const 328
                                      i32.add
                                      local.get 1
                                      i32.const 252
                                      i32.add
                                      call 9
                                      br 0 (;@16;)
                                    end
                                  end
                                  local.get 0
                                  i32.load offset=292
                                  local.set 6
                                  local.get 1
                                  i32.const 264
                                  i32.add
                                  local.get 0
                                  i32.load offset=296
                                  local.tee 7
                                  call 1
                                  local.get 1
                                  i32.const 288
                                  i32.add
                                  local.set 8
                                  i32.const 0
                                  local.set 9
                                  loop ;; label = @15
                                    block ;; label = @16
                                      block ;; label = @17
                                        local.get 9
                                        local.get 7
                                        i32.eq
                                        br_if 0 (;@17;)
                                        local.get 6
                                        local.get 9
                                        i32.const 4
                                        i32.shl
                                        i32.add
                                        local.tee 3
                                        i32.load offset=8
                                        local.set 2
                                        local.get 3
                                        i32.load offset=4
                                        local.set 4
                                        local.get 3
                                        i32.load
                                        local.set 10
                                        local.get 1
                                        i32.const 328
                                        i32.add
                                        local.get 3
                                        i32.load offset=12
                                        local.tee 3
                                        call 3
                                        loop ;; label = @18
                                          local.get 3
                                          i32.eqz
                                          br_if 2 (;@16;)
                                          local.get 1
                                          local.get 2
                                          i32.load
                                          i32.store offset=304
                                          local.get 1
                                          local.get 2
                                          i32.const 4
                                          i32.add
                                          i32.load
                                          local.tee 5
                                          i32.store offset=308
                                          local.get 1
                                          local.get 5
                                          i32.store offset=300
                                          local.get 3
                                          i32.const -1
                                          i32.add
                                          local.set 3
                                          local.get 2
                                          i32.const 8
                                          i32.add
                                          local.set 2
                                          local.get 1
                                          i32.const 328
                                          i32.add
                                          local.get 1
                                          i32.const 300
                                          i32.add
                                          call 9
                                          br 0 (;@18;)
                                        end
                                      end
                                      local.get 1
                                      i32.load offset=224
                                      i32.const 24
                                      i32.mul
                                      local.set 3
                                      local.get 1
                                      i32.load offset=220
                                      local.set 2
                                      loop ;; label = @17
                                        local.get 3
                                        i32.eqz
                                        br_if 14 (;@3;)
                                        block ;; label = @18
                                          block ;; label = @19
                                            local.get 2
                                            i32.const 8
                                            i32.add
                                            i32.load
                                            i32.const 10
                                            i32.ne
                                            br_if 0 (;@19;)
                                            global.get 1
                                            local.set 5
                                            local.get 2
                                            i32.const 4
                                            i32.add
                                            i32.load
                                            local.get 5
                                            i32.const 1048576
                                            i32.add
                                            i32.const 10
                                            call 34
                                            i32.eqz
                                            br_if 1 (;@18;)
                                          end
                                          local.get 2
                                          i32.const 24
                                          i32.add
                                          local.set 2
                                          local.get 3
                                          i32.const -24
                                          i32.add
                                          local.set 3
                                          br 1 (;@17;)
                                        end
                                      end
                                      local.get 2
                                      i32.load offset=20
                                      i32.eqz
                                      br_if 13 (;@3;)
                                      local.get 2
                                      i32.load offset=16
                                      local.tee 2
                                      i32.load offset=4
                                      local.tee 3
                                      local.get 2
                                      i32.load offset=8
                                      local.tee 2
                                      i32.add
                                      local.set 9
                                      loop ;; label = @17
                                        block ;; label = @18
                                          local.get 2
                                          br_if 0 (;@18;)
                                          i32.const 0
                                          local.set 2
                                          local.get 9
                                          local.set 3
                                          br 14 (;@4;)
                                        end
                                        local.get 3
                                        i32.load8_u
                                        i32.const -9
                                        i32.add
                                        local.tee 5
                                        i32.const 23
                                        i32.gt_u
                                        br_if 13 (;@4;)
                                        i32.const 1
                                        local.get 5
                                        i32.shl
                                        i32.const 8388635
                                        i32.and
                                        i32.eqz
                                        br_if 13 (;@4;)
                                        local.get 3
                                        i32.const 1
                                        i32.add
                                        local.set 3
                                        local.get 2
                                        i32.const -1
                                        i32.add
                                        local.set 2
                                        br 0 (;@17;)
                                      end
                                    end
                                    local.get 8
                                    local.get 1
                                    i64.load offset=328 align=4
                                    i64.store align=4
                                    local.get 8
                                    local.get 1
                                    i32.load offset=336
                                    i32.store offset=8
                                    local.get 1
                                    local.get 4
                                    i32.store offset=284
                                    local.get 1
                                    local.get 10
                                    i32.store offset=280
                                    local.get 1
                                    local.get 4
                                    i32.store offset=276
                                    local.get 9
                                    i32.const 1
                                    i32.add
                                    local.set 9
                                    local.get 1
                                    i32.const 264
                                    i32.add
                                    local.get 1
                                    i32.const 276
                                    i32.add
                                    call 15
                                    br 0 (;@15;)
                                  end
                                end
                                local.get 8
                                local.get 1
                                i64.load offset=328 align=4
                                i64.store align=4
                                local.get 8
                                local.get 1
                                i32.load offset=336
                                i32.store offset=8
                                local.get 1
                                local.get 4
                                i32.store offset=236
                                local.get 1
                                local.get 10
                                i32.store offset=232
                                local.get 1
                                local.get 4
                                i32.store offset=228
                                local.get 9
                                i32.const 1
                                i32.add
                                local.set 9
                                local.get 1
                                i32.const 216
                                i32.add
                                local.get 1
                                i32.const 228
                                i32.add
                                call 15
                                br 0 (;@13;)
                              end
                            end
                            local.get 8
                            local.get 1
                            i64.load offset=328 align=4
                            i64.store align=4
                            local.get 8
                            local.get 1
                            i32.load offset=336
                            i32.store offset=8
                            local.get 1
                            local.get 4
                            i32.store offset=176
                            local.get 1
                            local.get 10
                            i32.store offset=172
                            local.get 1
                            local.get 4
                            i32.store offset=168
                            local.get 9
                            i32.const 1
                            i32.add
                            local.set 9
                            local.get 1
                            i32.const 156
                            i32.add
                            local.get 1
                            i32.const 168
                            i32.add
                            call 15
                            br 0 (;@11;)
                          end
                        end
                        local.get 1
                        local.get 2
                        i32.const 8
                        i32.add
                        i32.load
                        local.tee 5
                        i32.store offset=152
                        local.get 1
                        local.get 2
                        i32.const 4
                        i32.add
                        i32.load
                        i32.store offset=148
                        local.get 1
                        local.get 5
                        i32.store offset=144
                        i32.const 3
                        local.set 5
                        local.get 1
                        i32.const 144
                        i32.add
                        local.set 9
                        br 2 (;@7;)
                      end
                      local.get 1
                      local.get 2
                      i32.const 8
                      i32.add
                      i32.load
                      local.tee 5
                      i32.store offset=128
                      local.get 1
                      local.get 2
                      i32.const 4
                      i32.add
                      i32.load
                      i32.store offset=124
                      local.get 1
                      local.get 5
                      i32.store offset=120
                      i32.const 1
                      local.set 5
                      local.get 1
                      i32.const 120
                      i32.add
                      local.set 9
                      br 1 (;@7;)
                    end
                    local.get 1
                    local.get 2
                    i32.const 8
                    i32.add
                    i32.load
                    local.tee 5
                    i32.store offset=140
                    local.get 1
                    local.get 2
                    i32.const 4
                    i32.add
                    i32.load
                    i32.store offset=136
                    local.get 1
                    local.get 5
                    i32.store offset=132
                    i32.const 2
                    local.set 5
                    local.get 1
                    i32.const 132
                    i32.add
                    local.set 9
                  end
                  local.get 1
                  local.get 9
                  i32.load offset=8
                  i32.store offset=112
                  local.get 1
                  local.get 9
                  i64.load align=4
                  i64.store offset=104
                end
                local.get 2
                i32.const 16
                i32.add
                i64.load
                local.set 11
                block ;; label = @6
                  block ;; label = @7
                    local.get 2
                    i32.const 24
                    i32.add
                    i32.load8_u
                    br_if 0 (;@7;)
                    i32.const -2147483648
                    local.set 9
                    br 1 (;@6;)
                  end
                  local.get 2
                  i32.const 32
                  i32.add
                  i32.load
                  local.tee 9
                  i64.extend_i32_u
                  i64.const 32
                  i64.shl
                  local.get 2
                  i32.const 28
                  i32.add
                  i64.load32_u
                  i64.or
                  local.set 12
                end
                local.get 4
                local.get 1
                i64.load offset=104
                i64.store align=4
                local.get 4
                local.get 1
                i32.load offset=112
                i32.store offset=8
                local.get 1
                local.get 5
                i32.store offset=64
                local.get 1
                local.get 12
                i64.store offset=92 align=4
                local.get 1
                local.get 9
                i32.store offset=88
                local.get 1
                local.get 11
                i64.store offset=80
                local.get 3
                i32.const -1
                i32.add
                local.set 3
                local.get 2
                i32.const 40
                i32.add
                local.set 2
                local.get 1
                i32.const 52
                i32.add
                local.get 1
                i32.const 64
                i32.add
                call 13
                br 0 (;@5;)
              end
            end
            loop ;; label = @4
              local.get 2
              i32.eqz
              br_if 1 (;@3;)
              block ;; label = @5
                local.get 3
                local.get 2
                i32.add
                i32.const -1
                i32.add
                i32.load8_u
                i32.const -9
                i32.add
                local.tee 5
                i32.const 23
                i32.gt_u
                br_if 0 (;@5;)
                i32.const 1
                local.get 5
                i32.shl
                i32.const 8388635
                i32.and
                i32.eqz
                br_if 0 (;@5;)
                local.get 2
                i32.const -1
                i32.add
                local.set 2
                br 1 (;@4;)
              end
            end
            local.get 3
            i32.load8_u
            local.set 5
            block ;; label = @4
              block ;; label = @5
                block ;; label = @6
                  local.get 2
                  i32.const 1
                  i32.ne
                  br_if 0 (;@6;)
                  local.get 5
                  i32.const -43
                  i32.add
                  br_table 1 (;@5;) 0 (;@6;) 1 (;@5;) 0 (;@6;)
                end
                i32.const -1
                i32.const 0
                local.get 5
                i32.const 43
                i32.eq
                local.tee 9
                select
                local.set 4
                local.get 3
                local.get 9
                i32.add
                local.set 5
                block ;; label = @6
                  local.get 2
                  local.get 9
                  i32.sub
                  i32.const 17
                  i32.lt_u
                  br_if 0 (;@6;)
                  i32.const 0
                  local.get 4
                  i32.sub
                  local.set 9
                  i64.const 0
                  local.set 11
                  loop ;; label = @7
                    local.get 2
                    local.get 9
                    i32.eq
                    br_if 3 (;@4;)
                    local.get 1
                    i32.const 32
                    i32.add
                    local.get 11
                    i64.const 0
                    i64.const 10
                    i64.const 0
                    call 33
                    local.get 1
                    i64.load offset=40
                    i64.const 0
                    i64.ne
                    br_if 2 (;@5;)
                    local.get 5
                    i32.load8_u
                    i32.const -48
                    i32.add
                    local.tee 4
                    i32.const 9
                    i32.gt_u
                    br_if 2 (;@5;)
                    local.get 5
                    i32.const 1
                    i32.add
                    local.set 5
                    local.get 9
                    i32.const 1
                    i32.add
                    local.set 9
                    local.get 1
                    i64.load offset=32
                    local.tee 12
                    local.get 4
                    i64.extend_i32_u
                    i64.add
                    local.tee 11
                    local.get 12
                    i64.ge_u
                    br_if 0 (;@7;)
                    br 2 (;@5;)
                  end
                end
                i32.const 0
                local.get 4
                i32.sub
                local.set 9
                i64.const 0
                local.set 11
                loop ;; label = @6
                  local.get 2
                  local.get 9
                  i32.eq
                  br_if 2 (;@4;)
                  local.get 5
                  i32.load8_u
                  i32.const -48
                  i32.add
                  local.tee 4
                  i32.const 9
                  i32.gt_u
                  br_if 1 (;@5;)
                  local.get 9
                  i32.const 1
                  i32.add
                  local.set 9
                  local.get 5
                  i32.const 1
                  i32.add
                  local.set 5
                  local.get 11
                  i64.const 10
                  i64.mul
                  local.get 4
                  i64.extend_i32_u
                  i64.add
                  local.set 11
                  br 0 (;@6;)
                end
              end
              local.get 1
              i32.const 328
              i32.add
              global.get 1
              i32.const 1048576
              i32.add
              i32.const 10
              call 24
              local.get 1
              i32.const 340
              i32.add
              local.get 3
              local.get 2
              call 24
              local.get 1
              i32.load offset=328
              i32.const -2147483648
              i32.ne
              br_if 1 (;@3;)
              local.get 1
              i64.load offset=336 align=4
              i64.const 1
              i64.ne
              br_if 1 (;@3;)
              local.get 1
              i64.load offset=344 align=4
              local.set 11
            end
            local.get 1
            i32.const 24
            i32.add
            i32.const 4
            i32.const 1
            i32.const 1
            call 2
            local.get 1
            i32.load offset=24
            local.set 3
            local.get 1
            i32.load offset=28
            local.tee 5
            i32.const 1701147238
            i32.store align=1
            local.get 3
            i32.const -2147483648
            i32.eq
            br_if 1 (;@2;)
            global.get 1
            i32.const 1114256
            i32.add
            local.tee 2
            i64.const 0
            i64.store offset=16
            local.get 2
            i32.const 0
            i32.store8 offset=8
            local.get 2
            i32.const 0
            i32.store8
            local.get 2
            i64.const 0
            i64.store offset=24
            local.get 2
            i64.const 600
            i64.store offset=48
            local.get 2
            i64.const 60000
            i64.store offset=40
            local.get 2
            local.get 11
            i64.store offset=32
            local.get 1
            i32.const 4
            i32.store offset=336
            local.get 1
            local.get 5
            i32.store offset=332
            local.get 1
            local.get 3
            i32.store offset=328
            local.get 1
            i32.const 16
            i32.add
            local.get 1
            i32.const 328
            i32.add
            call 6
            local.get 2
            local.get 1
            i64.load offset=16
            i64.store offset=56
            br 2 (;@1;)
          end
          local.get 1
          i32.const 312
          i32.add
          i32.const 4
          i32.or
          global.get 1
          local.tee 2
          i32.const 1048576
          i32.add
          i32.const 10
          call 24
          local.get 2
          i32.const 1114256
          i32.add
          local.tee 2
          i32.const 6
          i32.store8 offset=8
          local.get 2
          i32.const 1
          i32.store8
          local.get 1
          i32.load offset=316
          local.set 3
          local.get 1
          local.get 1
          i64.load offset=320
          i64.store offset=332 align=4
          local.get 1
          local.get 3
          i32.store offset=328
          local.get 1
          i32.const 8
          i32.add
          local.get 1
          i32.const 328
          i32.add
          call 6
          local.get 2
          local.get 1
          i64.load offset=8
          i64.store offset=16
          br 1 (;@1;)
        end
        global.get 1
        i32.const 1114256
        i32.add
        local.tee 2
        i32.const 0
        i32.store8 offset=8
        local.get 2
        i32.const 1
        i32.store8
      end
      global.get 1
      local.set 2
      local.get 1
      i32.const 352
      i32.add
      global.set 0
      local.get 2
      i32.const 1114256
      i32.add
    )
    (func (;28;) (type 10) (param i32) (result i64)
      (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64)
      global.get 0
      i32.const 272
      i32.sub
      local.tee 1
      global.set 0
      call 23
      local.get 0
      i32.load offset=32
      local.set 2
      local.get 1
      i32.const 4
      i32.add
      local.get 0
      i32.load offset=36
      local.tee 3
      call 5
      local.get 1
      i32.const 16
      i32.add
      i32.const 4
      i32.or
      local.set 4
      block ;; label = @1
        loop ;; label = @2
          block ;; label = @3
            block ;; label = @4
              block ;; label = @5
                block ;; label = @6
                  block ;; label = @7
                    block ;; label = @8
                      local.get 3
                      i32.eqz
                      br_if 0 (;@8;)
                      local.get 2
                      i32.load8_u
                      local.tee 5
                      br_table 5 (;@3;) 2 (;@6;) 3 (;@5;) 1 (;@7;)
                    end
                    local.get 0
                    i32.load offset=40
                    local.set 6
                    local.get 1
                    i32.const 104
                    i32.add
                    local.get 0
                    i32.load offset=44
                    local.tee 7
                    call 1
                    local.get 1
                    i32.const 128
                    i32.add
                    local.set 8
                    i32.const 0
                    local.set 9
                    loop ;; label = @8
                      block ;; label = @9
                        block ;; label = @10
                          local.get 9
                          local.get 7
                          i32.eq
                          br_if 0 (;@10;)
                          local.get 6
                          local.get 9
                          i32.const 4
                          i32.shl
                          i32.add
                          local.tee 3
                          i32.load offset=8
                          local.set 2
                          local.get 3
                          i32.load offset=4
                          local.set 4
                          local.get 3
                          i32.load
                          local.set 10
                          local.get 1
                          i32.const 224
                          i32.add
                          local.get 3
                          i32.load offset=12
                          local.tee 3
                          call 3
                          loop ;; label = @11
                            local.get 3
                            i32.eqz
                            br_if 2 (;@9;)
                            local.get 1
                            local.get 2
                            i32.load
                            i32.store offset=144
                            local.get 1
                            local.get 2
                            i32.const 4
                            i32.add
                            i32.load
                            local.tee 5
                            i32.store offset=148
                            local.get 1
                            local.get 5
                            i32.store offset=140
                            local.get 3
                            i32.const -1
                            i32.add
                            local.set 3
                            local.get 2
                            i32.const 8
                            i32.add
                            local.set 2
                            local.get 1
                            i32.const 224
                            i32.add
                            local.get 1
                            i32.const 140
                            i32.add
                            call 9
                            br 0 (;@11;)
                          end
                        end
                        local.get 0
                        i32.load offset=120
                        local.set 3
                        local.get 1
                        i32.const 152
                        i32.add
                        local.get 0
                        i32.load offset=124
                        local.tee 2
                        call 4
                        block ;; label = @10
                          loop ;; label = @11
                            local.get 2
                            i32.eqz
                            br_if 1 (;@10;)
                            local.get 1
                            i32.const 152
                            i32.add
                            local.get 3
                            i32.load8_u
                            call 11
                            local.get 2
                            i32.const -1
                            i32.add
                            local.set 2
                            local.get 3
                            i32.const 1
                            i32.add
                            local.set 3
                            br 0 (;@11;)
                          end
                        end
                        local.get 0
                        i32.load offset=424
                        local.set 6
                        local.get 0
                        i64.load offset=272
                        local.set 11
                        local.get 1
                        i32.const 164
                        i32.add
                        local.get 0
                        i32.load offset=428
                        local.tee 7
                        call 1
                        local.get 1
                        i32.const 188
                        i32.add
                        local.set 8
                        i32.const 0
                        local.set 9
                        loop ;; label = @10
                          block ;; label = @11
                            block ;; label = @12
                              local.get 9
                              local.get 7
                              i32.eq
                              br_if 0 (;@12;)
                              local.get 6
                              local.get 9
                              i32.const 4
                              i32.shl
                              i32.add
                              local.tee 3
                              i32.load offset=8
                              local.set 2
                              local.get 3
                              i32.load offset=4
                              local.set 4
                              local.get 3
                              i32.load
                              local.set 10
                              local.get 1
                              i32.const 224
                              i32.add
                              local.get 3
                              i32.load offset=12
                              local.tee 3
                              call 3
                              loop ;; label = @13
                                local.get 3
                                i32.eqz
                                br_if 2 (;@11;)
                                local.get 1
                                local.get 2
                                i32.load
                                i32.store offset=204
                                local.get 1
                                local.get 2
                                i32.const 4
                                i32.add
                                i32.load
                                local.tee 5
                                i32.store offset=208
                                local.get 1
                                local.get 5
                                i32.store offset=200
                                local.get 3
                                i32.const -1
                                i32.add
                                local.set 3
                                local.get 2
                                i32.const 8
                                i32.add
                                local.set 2
                                local.get 1
                                i32.const 224
                                i32.add
                                local.get 1
                                i32.const 200
                                i32.add
                                call 9
                                br 0 (;@13;)
                              end
                            end
                            local.get 0
                            i32.load offset=444
                            local.set 6
                            local.get 1
                            i32.const 212
                            i32.add
                            local.get 0
                            i32.load offset=448
                            local.tee 7
                            call 1
                            local.get 1
                            i32.const 236
                            i32.add
                            local.set 8
                            i32.const 0
                            local.set 9
                            loop ;; label = @12
                              local.get 9
                              local.get 7
                              i32.eq
                              br_if 11 (;@1;)
                              local.get 6
                              local.get 9
                              i32.const 4
                              i32.shl
                              i32.add
                              local.tee 3
                              i32.load offset=8
                              local.set 2
                              local.get 3
                              i32.load offset=4
                              local.set 4
                              local.get 3
                              i32.load
                              local.set 10
                              local.get 1
                              i32.const 248
                              i32.add
                              local.get 3
                              i32.load offset=12
                              local.tee 3
                              call 3
                              block ;; label = @13
                                loop ;; label = @14
                                  local.get 3
                                  i32.eqz
                                  br_if 1 (;@13;)
                                  local.get 1
                                  local.get 2
                                  i32.load
                                  i32.store offset=264
                                  local.get 1
                                  local.get 2
                                  i32.const 4
                                  i32.add
                                  i32.load
                                  local.tee 5
                                  i32.store offset=268
                                  local.get 1
                                  local.get 5
                                  i32.store offset=260
                                  local.get 3
                                  i32.const -1
                                  i32.add
                                  local.set 3
                                  local.get 2
                                  i32.const 8
                                  i32.add
                                  local.set 2
                                  local.get 1
                                  i32.const 248
                                  i32.add
                                  local.get 1
                                  i32.const 260
                                  i32.add
                                  call 9
                                  br 0 (;@14;)
                                end
                              end
                              local.get 8
                              local.get 1
                              i64.load offset=248 align=4
                              i64.store align=4
                              local.get 8
                              local.get 1
                              i32.load offset=256
                              i32.store offset=8
                              local.get 1
                              local.get 4
                              i32.store offset=232
                              local.get 1
                              local.get 10
                              i32.store offset=228
                              local.get 1
                              local.get 4
                              i32.store offset=224
                              local.get 9
                              i32.const 1
                              i32.add
                              local.set 9
                              local.get 1
                              i32.const 212
                              i32.add
                              local.get 1
                              i32.const 224
                              i32.add
                              call 15
                              br 0 (;@12;)
                            end
                          end
                          local.get 8
                          local.get 1
                          i64.load offset=224 align=4
                          i64.store align=4
                          local.get 8
                          local.get 1
                          i32.load offset=232
                          i32.store offset=8
                          local.get 1
                          local.get 4
                          i32.store offset=184
                          local.get 1
                          local.get 10
                          i32.store offset=180
                          local.get 1
                          local.get 4
                          i32.store offset=176
                          local.get 9
                          i32.const 1
                          i32.add
                          local.set 9
                          local.get 1
                          i32.const 164
                          i32.add
                          local.get 1
                          i32.const 176
                          i32.add
                          call 15
                          br 0 (;@10;)
                        end
                      end
                      local.get 8
                      local.get 1
                      i64.load offset=224 align=4
                      i64.store align=4
                      local.get 8
                      local.get 1
                      i32.load offset=232
                      i32.store offset=8
                      local.get 1
                      local.get 4
                      i32.store offset=124
                      local.get 1
                      local.get 10
                      i32.store offset=120
                      local.get 1
                      local.get 4
                      i32.store offset=116
                      local.get 9
                      i32.const 1
                      i32.add
                      local.set 9
                      local.get 1
                      i32.const 104
                      i32.add
                      local.get 1
                      i32.const 116
                      i32.add
                      call 15
                      br 0 (;@8;)
                    end
                  end
                  local.get 1
                  local.get 2
                  i32.const 8
                  i32.add
                  i32.load
                  local.tee 5
                  i32.store offset=100
                  local.get 1
                  local.get 2
                  i32.const 4
                  i32.add
                  i32.load
                  i32.store offset=96
                  local.get 1
                  local.get 5
                  i32.store offset=92
                  i32.const 3
                  local.set 5
                  local.get 1
                  i32.const 92
                  i32.add
                  local.set 9
                  br 2 (;@4;)
                end
                local.get 1
                local.get 2
                i32.const 8
                i32.add
                i32.load
                local.tee 5
                i32.store offset=76
                local.get 1
                local.get 2
                i32.const 4
                i32.add
                i32.load
                i32.store offset=72
                local.get 1
                local.get 5
                i32.store offset=68
                i32.const 1
                local.set 5
                local.get 1
                i32.const 68
                i32.add
                local.set 9
                br 1 (;@4;)
              end
              local.get 1
              local.get 2
              i32.const 8
              i32.add
              i32.load
              local.tee 5
              i32.store offset=88
              local.get 1
              local.get 2
              i32.const 4
              i32.add
              i32.load
              i32.store offset=84
              local.get 1
              local.get 5
              i32.store offset=80
              i32.const 2
              local.set 5
              local.get 1
              i32.const 80
              i32.add
              local.set 9
            end
            local.get 1
            local.get 9
            i32.load offset=8
            i32.store offset=64
            local.get 1
            local.get 9
            i64.load align=4
            i64.store offset=56
          end
          local.get 2
          i32.const 16
          i32.add
          i64.load
          local.set 11
          block ;; label = @3
            block ;; label = @4
              local.get 2
              i32.const 24
              i32.add
              i32.load8_u
              br_if 0 (;@4;)
              i32.const -2147483648
              local.set 9
              br 1 (;@3;)
            end
            local.get 2
            i32.const 32
            i32.add
            i32.load
            local.tee 9
            i64.extend_i32_u
            i64.const 32
            i64.shl
            local.get 2
            i32.const 28
            i32.add
            i64.load32_u
            i64.or
            local.set 12
          end
          local.get 4
          local.get 1
          i64.load offset=56
          i64.store align=4
          local.get 4
          local.get 1
          i32.load offset=64
          i32.store offset=8
          local.get 1
          local.get 5
          i32.store offset=16
          local.get 1
          local.get 12
          i64.store offset=44 align=4
          local.get 1
          local.get 9
          i32.store offset=40
          local.get 1
          local.get 11
          i64.store offset=32
          local.get 3
          i32.const -1
          i32.add
          local.set 3
          local.get 2
          i32.const 40
          i32.add
          local.set 2
          local.get 1
          i32.const 4
          i32.add
          local.get 1
          i32.const 16
          i32.add
          call 13
          br 0 (;@2;)
        end
      end
      local.get 1
      i32.const 272
      i32.add
      global.set 0
      local.get 11
    )
    (func (;29;) (type 0)
      call 8
      unreachable
    )
    (func (;30;) (type 0))
    (func (;31;) (type 7) (param i32 i32 i32)
      block ;; label = @1
        local.get 2
        i32.eqz
        br_if 0 (;@1;)
        local.get 2
        local.get 1
        call 25
        local.set 1
      end
      local.get 0
      local.get 2
      i32.store offset=4
      local.get 0
      local.get 1
      i32.store
    )
    (func (;32;) (type 3) (param i32 i32 i32 i32) (result i32)
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
            call 25
            local.set 2
            br 1 (;@2;)
          end
          local.get 0
          local.get 1
          local.get 2
          local.get 3
          call 7
          local.set 2
        end
        local.get 2
        br_if 0 (;@1;)
        unreachable
      end
      local.get 2
    )
    (func (;33;) (type 11) (param i32 i64 i64 i64 i64)
      (local i64 i64 i64 i64 i64 i64)
      local.get 0
      local.get 3
      i64.const 4294967295
      i64.and
      local.tee 5
      local.get 1
      i64.const 4294967295
      i64.and
      local.tee 6
      i64.mul
      local.tee 7
      local.get 3
      i64.const 32
      i64.shr_u
      local.tee 8
      local.get 6
      i64.mul
      local.tee 6
      local.get 5
      local.get 1
      i64.const 32
      i64.shr_u
      local.tee 9
      i64.mul
      i64.add
      local.tee 5
      i64.const 32
      i64.shl
      i64.add
      local.tee 10
      i64.store
      local.get 0
      local.get 8
      local.get 9
      i64.mul
      local.get 5
      local.get 6
      i64.lt_u
      i64.extend_i32_u
      i64.const 32
      i64.shl
      local.get 5
      i64.const 32
      i64.shr_u
      i64.or
      i64.add
      local.get 10
      local.get 7
      i64.lt_u
      i64.extend_i32_u
      i64.add
      local.get 4
      local.get 1
      i64.mul
      local.get 3
      local.get 2
      i64.mul
      i64.add
      i64.add
      i64.store offset=8
    )
    (func (;34;) (type 12) (param i32 i32 i32) (result i32)
      (local i32 i32 i32)
      i32.const 0
      local.set 3
      block ;; label = @1
        local.get 2
        i32.eqz
        br_if 0 (;@1;)
        block ;; label = @2
          loop ;; label = @3
            local.get 0
            i32.load8_u
            local.tee 4
            local.get 1
            i32.load8_u
            local.tee 5
            i32.ne
            br_if 1 (;@2;)
            local.get 1
            i32.const 1
            i32.add
            local.set 1
            local.get 0
            i32.const 1
            i32.add
            local.set 0
            local.get 2
            i32.const -1
            i32.add
            local.tee 2
            br_if 0 (;@3;)
            br 2 (;@1;)
          end
        end
        local.get 4
        local.get 5
        i32.sub
        local.set 3
      end
      local.get 3
    )
    (data (;0;) (i32.const 1048576) "max-tokens256Upper limit of tokens written.frozen-pricing0.1.0All jobs are free.")
    (data (;1;) (i32.const 1048656) "\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\00\00\00\00\88\00\10\00")
  )
  (alias export 1 "job" (type (;4;)))
  (alias export 1 "msat" (type (;5;)))
  (alias export 1 "refusal" (type (;6;)))
  (alias export 1 "route" (type (;7;)))
  (alias export 1 "situation" (type (;8;)))
  (alias export 1 "unix-time" (type (;9;)))
  (alias export 1 "usage" (type (;10;)))
  (type (;11;) (enum "free" "on-delivery" "before-work" "hold"))
  (type (;12;) (option 9))
  (type (;13;) (record (field "first-seen" 12) (field "jobs-completed" u32) (field "jobs-unpaid" u32) (field "paid-msat" 5) (field "recent-paid-msat" 5)))
  (type (;14;) (record (field "offers" u32) (field "low-msat" 5) (field "median-msat" 5) (field "high-msat" 5)))
  (type (;15;) (list 11))
  (type (;16;) (option 14))
  (type (;17;) (record (field "route" 7) (field "input-tokens-estimate" u64) (field "terms" 15) (field "max-receivable-msat" 5) (field "step-msat" 5) (field "customer" 13) (field "ours" 13) (field "market" 16)))
  (type (;18;) (record (field "terms" 11) (field "price-msat" 5) (field "cap-msat" 5) (field "max-output-tokens" u64) (field "max-work-ms" u64) (field "valid-seconds" u32) (field "priority" s32) (field "note" string)))
  (core instance (;0;) (instantiate 0))
  (alias core export 0 "memory" (core memory (;0;)))
  (type (;19;) (func (result 3)))
  (alias core export 0 "describe" (core func (;0;)))
  (alias core export 0 "cabi_realloc" (core func (;1;)))
  (alias core export 0 "cabi_post_describe" (core func (;2;)))
  (func (;0;) (type 19) (canon lift (core func 0) (memory 0) string-encoding=utf8 (post-return 2)))
  (export (;1;) "describe" (func 0))
  (type (;20;) (result 18 (error 6)))
  (type (;21;) (func (param "job" 4) (param "context" 17) (param "situation" 8) (result 20)))
  (alias core export 0 "pylon:provider/pricing@0.1.0#quote" (core func (;3;)))
  (alias core export 0 "cabi_post_pylon:provider/pricing@0.1.0#quote" (core func (;4;)))
  (func (;2;) (type 21) (canon lift (core func 3) (memory 0) (realloc 1) string-encoding=utf8 (post-return 4)))
  (type (;22;) (func (param "job" 4) (param "context" 17) (param "offer" 18) (param "route" 7) (param "usage" 10) (param "situation" 8) (result 5)))
  (alias core export 0 "pylon:provider/pricing@0.1.0#settle" (core func (;5;)))
  (func (;3;) (type 22) (canon lift (core func 5) (memory 0) (realloc 1) string-encoding=utf8))
  (alias export 1 "job-id" (type (;23;)))
  (alias export 1 "public-key" (type (;24;)))
  (alias export 1 "unix-time" (type (;25;)))
  (alias export 1 "event-id" (type (;26;)))
  (alias export 1 "input-source" (type (;27;)))
  (alias export 1 "input" (type (;28;)))
  (alias export 1 "param" (type (;29;)))
  (alias export 1 "msat" (type (;30;)))
  (alias export 1 "job" (type (;31;)))
  (alias export 1 "refusal" (type (;32;)))
  (alias export 1 "model-target" (type (;33;)))
  (alias export 1 "agent-target" (type (;34;)))
  (alias export 1 "execution-target" (type (;35;)))
  (alias export 1 "route" (type (;36;)))
  (alias export 1 "situation" (type (;37;)))
  (alias export 1 "usage" (type (;38;)))
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
    (type (;23;) (variant (case "no-backend") (case "bid-too-low" 17) (case "unsupported" string) (case "busy" u32) (case "blocked") (case "other" string) (case "invalid-setting" string)))
    (import "import-type-refusal" (type (;24;) (eq 23)))
    (type (;25;) (record (field "backend" string) (field "model" string)))
    (import "import-type-model-target" (type (;26;) (eq 25)))
    (type (;27;) (record (field "backend" string) (field "isolation" string)))
    (import "import-type-agent-target" (type (;28;) (eq 27)))
    (type (;29;) (variant (case "model" 26) (case "agent" 28)))
    (import "import-type-execution-target" (type (;30;) (eq 29)))
    (type (;31;) (record (field "target" 30) (field "price-permille" u32)))
    (import "import-type-route" (type (;32;) (eq 31)))
    (type (;33;) (record (field "now" 5) (field "settings" 19) (field "queued" u32) (field "running" u32) (field "capacity" u32) (field "extra" 19)))
    (import "import-type-situation" (type (;34;) (eq 33)))
    (type (;35;) (record (field "input-tokens" u64) (field "output-tokens" u64) (field "cached-tokens" u64) (field "estimated" bool) (field "work-ms" u64) (field "cpu-ms" u64) (field "peak-memory-bytes" u64) (field "disk-bytes" u64) (field "network-bytes" u64)))
    (import "import-type-usage" (type (;36;) (eq 35)))
    (import "import-type-job0" (type (;37;) (eq 22)))
    (import "import-type-route0" (type (;38;) (eq 32)))
    (type (;39;) (enum "free" "on-delivery" "before-work" "hold"))
    (import "import-type-terms" (type (;40;) (eq 39)))
    (type (;41;) (list 40))
    (import "import-type-msat0" (type (;42;) (eq 17)))
    (import "import-type-unix-time0" (type (;43;) (eq 5)))
    (type (;44;) (option 43))
    (type (;45;) (record (field "first-seen" 44) (field "jobs-completed" u32) (field "jobs-unpaid" u32) (field "paid-msat" 42) (field "recent-paid-msat" 42)))
    (import "import-type-history" (type (;46;) (eq 45)))
    (type (;47;) (record (field "offers" u32) (field "low-msat" 42) (field "median-msat" 42) (field "high-msat" 42)))
    (import "import-type-market" (type (;48;) (eq 47)))
    (type (;49;) (option 48))
    (type (;50;) (record (field "route" 38) (field "input-tokens-estimate" u64) (field "terms" 41) (field "max-receivable-msat" 42) (field "step-msat" 42) (field "customer" 46) (field "ours" 46) (field "market" 49)))
    (import "import-type-context" (type (;51;) (eq 50)))
    (import "import-type-situation0" (type (;52;) (eq 34)))
    (type (;53;) (record (field "terms" 40) (field "price-msat" 42) (field "cap-msat" 42) (field "max-output-tokens" u64) (field "max-work-ms" u64) (field "valid-seconds" u32) (field "priority" s32) (field "note" string)))
    (import "import-type-offer" (type (;54;) (eq 53)))
    (import "import-type-refusal0" (type (;55;) (eq 24)))
    (type (;56;) (result 54 (error 55)))
    (type (;57;) (func (param "job" 37) (param "context" 51) (param "situation" 52) (result 56)))
    (import "import-func-quote" (func (;0;) (type 57)))
    (import "import-type-usage0" (type (;58;) (eq 36)))
    (type (;59;) (func (param "job" 37) (param "context" 51) (param "offer" 54) (param "route" 38) (param "usage" 58) (param "situation" 52) (result 42)))
    (import "import-func-settle" (func (;1;) (type 59)))
    (export (;60;) "job" (type 22))
    (export (;61;) "msat" (type 17))
    (export (;62;) "refusal" (type 24))
    (export (;63;) "route" (type 32))
    (export (;64;) "situation" (type 34))
    (export (;65;) "unix-time" (type 5))
    (export (;66;) "usage" (type 36))
    (type (;67;) (enum "free" "on-delivery" "before-work" "hold"))
    (export (;68;) "terms" (type 67))
    (type (;69;) (option 65))
    (type (;70;) (record (field "first-seen" 69) (field "jobs-completed" u32) (field "jobs-unpaid" u32) (field "paid-msat" 61) (field "recent-paid-msat" 61)))
    (export (;71;) "history" (type 70))
    (type (;72;) (record (field "offers" u32) (field "low-msat" 61) (field "median-msat" 61) (field "high-msat" 61)))
    (export (;73;) "market" (type 72))
    (type (;74;) (list 68))
    (type (;75;) (option 73))
    (type (;76;) (record (field "route" 63) (field "input-tokens-estimate" u64) (field "terms" 74) (field "max-receivable-msat" 61) (field "step-msat" 61) (field "customer" 71) (field "ours" 71) (field "market" 75)))
    (export (;77;) "context" (type 76))
    (type (;78;) (record (field "terms" 68) (field "price-msat" 61) (field "cap-msat" 61) (field "max-output-tokens" u64) (field "max-work-ms" u64) (field "valid-seconds" u32) (field "priority" s32) (field "note" string)))
    (export (;79;) "offer" (type 78))
    (type (;80;) (result 79 (error 62)))
    (type (;81;) (func (param "job" 60) (param "context" 77) (param "situation" 64) (result 80)))
    (export (;2;) "quote" (func 0) (func (type 81)))
    (type (;82;) (func (param "job" 60) (param "context" 77) (param "offer" 79) (param "route" 63) (param "usage" 66) (param "situation" 64) (result 61)))
    (export (;3;) "settle" (func 1) (func (type 82)))
  )
  (instance (;2;) (instantiate 0
      (with "import-func-quote" (func 2))
      (with "import-func-settle" (func 3))
      (with "import-type-job-id" (type 23))
      (with "import-type-public-key" (type 24))
      (with "import-type-unix-time" (type 25))
      (with "import-type-event-id" (type 26))
      (with "import-type-input-source" (type 27))
      (with "import-type-input" (type 28))
      (with "import-type-param" (type 29))
      (with "import-type-msat" (type 30))
      (with "import-type-job" (type 31))
      (with "import-type-refusal" (type 32))
      (with "import-type-model-target" (type 33))
      (with "import-type-agent-target" (type 34))
      (with "import-type-execution-target" (type 35))
      (with "import-type-route" (type 36))
      (with "import-type-situation" (type 37))
      (with "import-type-usage" (type 38))
      (with "import-type-job0" (type 4))
      (with "import-type-route0" (type 7))
      (with "import-type-terms" (type 11))
      (with "import-type-msat0" (type 5))
      (with "import-type-unix-time0" (type 9))
      (with "import-type-history" (type 13))
      (with "import-type-market" (type 14))
      (with "import-type-context" (type 17))
      (with "import-type-situation0" (type 8))
      (with "import-type-offer" (type 18))
      (with "import-type-refusal0" (type 6))
      (with "import-type-usage0" (type 10))
    )
  )
  (export (;3;) "pylon:provider/pricing@0.1.0" (instance 2))
)

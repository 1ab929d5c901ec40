# Runs the llama.cpp server of `xllamacpp` until standard input is closed. The parent holds the
# other end, so the server never outlives it. The address of the server is the only line on standard
# output.
import os
import signal
import sys
import threading


def follow_parent():
    sys.stdin.buffer.read()
    os._exit(0)


# The parent handles Ctrl-C: it ends its jobs first.
signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=follow_parent, daemon=True).start()
engine, model, alias, context, slots, threads = sys.argv[1:]
# Native code logs to both; only the address may reach the parent.
address = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, engine)
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {alias}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = int(context)
params.n_parallel = int(slots)
params.cpuparams.n_threads = int(threads)
params.n_gpu_layers = 0
params.endpoint_slots = False
server = xllamacpp.Server(params)
print(server.listening_address, file=address, flush=True)
threading.Event().wait()

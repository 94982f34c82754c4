"""Runs a command on a pseudo-terminal of its own, as its foreground job.

onTerminal.py COLUMNS SECONDS INTERRUPT COMMAND...
INTERRUPT: a text; once the command has written it, Ctrl-C is typed. Empty: never.
The last line of the output is a JSON document: what the command wrote (base64) and how it ended, as a shell says it.
"""
import base64, fcntl, json, os, pty, select, struct, sys, termios, time

columns, seconds, wanted, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].encode(), sys.argv[4:]
child, terminal = pty.fork()
if child == 0:
    # The size is set before the command can ask for it.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)
written = b""
end = time.monotonic() + seconds
timed_out = False
interrupted = wanted == b""
while True:
    if time.monotonic() > end:
        timed_out = True
        os.kill(child, 9)
        break
    if not select.select([terminal], [], [], 0.1)[0]:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if piece == b"":
        break
    written += piece
    if not interrupted and wanted in written:
        interrupted = True
        os.write(terminal, b"\x03")
status = os.waitpid(child, 0)[1]
code = os.waitstatus_to_exitcode(status)
print(
    json.dumps(
        {
            "output": base64.b64encode(written).decode(),
            "status": 128 - code if code < 0 else code,
            "timedOut": timed_out,
            "interrupted": interrupted and wanted != b"",
        }
    )
)

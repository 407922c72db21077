"""What holds for every test."""

import signal

# A shell that starts a job in the background has it ignore SIGINT, and all that it starts; Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

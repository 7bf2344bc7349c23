/* edgecompress-hold TOKEN FOLDER...: hold the lock of the first folder that can be locked, for devices without `flock`.

   Says "busy" every second as long as another has it, then "held PID", and holds it until standard input closes; an
   empty line now and then has a server notice that its network is gone. Says "none" if no folder can be locked. The
   token is there to be found in the list of processes.

   It speaks to the kernel alone: without a C library a kilobyte runs on every system, Android and musl, too. */
enum { POLL_S = 1, TELL_S = 20, INPUT = 0, OUTPUT = 1 };

/* The kernel's own words, as its headers have them. */
#if defined(__aarch64__)
enum { OPENAT = 56, READ = 63, WRITE = 64, FLOCK = 32, PPOLL = 73, GETPID = 172, EXIT_GROUP = 94, DIRECTORY = 0x4000 };
#elif defined(__x86_64__)
enum { OPENAT = 257, READ = 0, WRITE = 1, FLOCK = 73, PPOLL = 271, GETPID = 39, EXIT_GROUP = 231, DIRECTORY = 0x10000 };
#endif
enum { HERE = -100, EXCLUSIVE = 2, AT_ONCE = 4, WOULD_BLOCK = -11, CAN_READ = 1 };

static long call(long number, long a, long b, long c, long d) {
#if defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#endif
}

static int say(const char *text) {
    long length = 0;
    while (text[length])
        length++;
    return call(WRITE, OUTPUT, (long)text, length, 0) == length;
}

static int say_held(void) {
    char text[32];
    int at = sizeof text;
    text[--at] = 0;
    text[--at] = '\n';
    for (long left = call(GETPID, 0, 0, 0, 0); left; left /= 10)
        text[--at] = (char)('0' + left % 10);
    return say("held ") && say(text + at);
}

/* Wait for so long, or less if there is something to read; return 0 if nobody listens any more. */
static int wait_s(long seconds) {
    struct { int handle; short events, found; } input = {INPUT, CAN_READ, 0};
    struct { long seconds, nanoseconds; } limit = {seconds, 0};
    char waste[256];
    long ready = call(PPOLL, (long)&input, 1, (long)&limit, 0);
    return ready <= 0 || call(READ, INPUT, (long)waste, sizeof waste, 0) > 0;
}

static void hold(long count, char **arguments) {
    for (long i = 2; i < count; i++) {
        long folder = call(OPENAT, HERE, (long)arguments[i], DIRECTORY, 0), result = folder;
        while (folder >= 0 && (result = call(FLOCK, folder, EXCLUSIVE | AT_ONCE, 0, 0)) == WOULD_BLOCK)
            if (!say("busy\n") || !wait_s(POLL_S))
                return;
        if (folder >= 0 && !result) {
            if (say_held())
                while (wait_s(TELL_S) && say("\n"))
                    ;
            return;
        }
    }
    say("none\n");
}

/* What the kernel starts: the stack begins with the number of arguments, and then their addresses. */
#if defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x0, sp\n bl begin\n");
#else
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#endif

__attribute__((used, noreturn)) void begin(long *stack) {
    hold(stack[0], (char **)(stack + 1));
    for (;;)
        call(EXIT_GROUP, 0, 0, 0, 0);
}

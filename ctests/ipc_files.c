/* The file behind an ipc address: creation, removal, what stands in the way. */
#include "wire.h"

#include <sys/file.h>

static const char *path_of(const address *a) { return a->text + strlen("ipc://"); }
static bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

static void life(void) {
    CONTEXT("life of the file");
    mode_t before = umask(022);
    int s = open_socket(NN_PAIR);
    address a = fresh(IPC), b = fresh(IPC);
    BIND(s, a.text);
    struct stat status;
    CHECK_OK(stat(path_of(&a), &status));
    CHECK(S_ISSOCK(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0755);
    umask(077);
    int id = BIND(s, b.text);
    CHECK_OK(stat(path_of(&b), &status));
    CHECK_EQ(status.st_mode & 0777, 0700);
    umask(before);
    CHECK_OK(nn_shutdown(s, id));
    WAIT(!exists(path_of(&b)));
    CHECK(exists(path_of(&a)));
    CLOSE(s);
    CHECK(!exists(path_of(&a)));

    s = open_socket(NN_PAIR); /* somebody else removed it: fine */
    BIND(s, a.text);
    CHECK_OK(unlink(path_of(&a)));
    CLOSE(s);
    CHECK_ERR(nn_bind(s, a.text), EBADF);
    s = open_socket(NN_PAIR);
    BIND(s, a.text);
    CLOSE(s);
}

/* What a crashed program left behind does not stand in the way. */
static void stale(void) {
    CONTEXT("stale socket");
    for (int listening = 0; listening < 2; listening++) {
        address a = fresh(IPC);
        int fd;
        if (listening) {
            fd = peer_listen(a.text);
        } else {
            struct sockaddr_storage name;
            socklen_t length = peer_name(a.text, &name);
            fd = socket(AF_UNIX, SOCK_STREAM, 0);
            CHECK_OK(bind(fd, (struct sockaddr *)&name, length)); /* bound, but nobody ever listened */
        }
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
        if (listening) {
            CHECK_ERR(nn_bind(s, a.text), EADDRINUSE); /* it is alive */
            close(fd);
            CHECK(exists(path_of(&a)));
        }
        BIND(s, a.text);
        connect_and_wait(peer, s, a.text);
        CLOSE(s, peer);
        if (!listening)
            close(fd);
    }
}

/* A bind to a live address is noticed by the listener as a connect-and-close, which does not hurt. */
static void live(void) {
    CONTEXT("live listener");
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR), other = open_socket(NN_PAIR);
    address a = join(s, peer, IPC);
    for (int i = 0; i < 20; i++)
        CHECK_ERR(nn_bind(other, a.text), EADDRINUSE);
    CHECK(exists(path_of(&a)));
    SEND(peer, "alive");
    RECV(s, "alive");
    CLOSE(s, peer, other);
}

static void obstacles(void) {
    int s = open_socket(NN_PAIR);
    address a = fresh(IPC);
    if (!genuine()) { /* the reference removes the file and aborts on the directory */
        CONTEXT("regular file");
        int fd = open(path_of(&a), O_CREAT | O_WRONLY, 0600);
        CHECK_EQ(write(fd, "precious", 8), 8);
        close(fd);
        CHECK_ERR(nn_bind(s, a.text), EADDRINUSE);
        struct stat status;
        CHECK_OK(stat(path_of(&a), &status));
        CHECK_EQ(status.st_size, 8);
        CONTEXT("directory");
        address directory_address;
        snprintf(directory_address.text, sizeof(directory_address.text), "ipc://%s", directory);
        CHECK_ERR(nn_bind(s, directory_address.text), EADDRINUSE);
        CHECK(exists(directory));
    }
    CONTEXT("missing directory");
    CHECK_ERR(nn_bind(s, "ipc:///tmp/sp-no-such-directory/socket"), ENOENT);
    CHECK(CONNECT(s, "ipc:///tmp/sp-no-such-directory/socket") > 0); /* an ordinary failed attempt */
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 1);
    CLOSE(s);
}

/* 107 bytes are the most the system takes. */
static void length(void) {
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    address a = {"ipc://"};
    size_t n = strlen(directory);
    memset(a.text + 6, 'p', 121);
    memcpy(a.text + 6, directory, n);
    a.text[6 + n] = '/';
    for (int size = 121; size >= 107; size--) {
        CONTEXT("path of %d bytes", size);
        a.text[6 + size] = 0;
        if (size > 107) {
            if (genuine())
                continue; /* aborts */
            CHECK_ERR(nn_bind(s, a.text), ENAMETOOLONG);
            CHECK_ERR(nn_connect(s, a.text), ENAMETOOLONG);
        } else {
            BIND(s, a.text);
            connect_and_wait(peer, s, a.text);
            CHECK(exists(a.text + 6));
        }
    }
    CLOSE(s, peer);
    CHECK(!exists(a.text + 6));
}

static void relative(void) {
    CONTEXT("relative path");
    char before[256];
    CHECK(getcwd(before, sizeof(before)) != NULL);
    CHECK_OK(chdir(directory));
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    BIND(s, "ipc://relative");
    CHECK(exists("relative"));
    connect_and_wait(peer, s, "ipc://relative");
    SEND(peer, "hello");
    RECV(s, "hello");
    CLOSE(s, peer);
    CHECK(!exists("relative"));
    CHECK_OK(chdir(before));
}

/* The file is the one that the path meant at the call, whatever the current directory becomes. */
static void elsewhere(void) {
    CONTEXT("elsewhere");
    char before[256], deep[256];
    CHECK(getcwd(before, sizeof(before)) != NULL);
    for (int depth = 0; depth < 2; depth++) { /* at last where the absolute path is too long for a socket's name */
        snprintf(deep, sizeof(deep), "%s/%.*s", directory, depth ? 120 : 1,
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
        CHECK_OK(mkdir(deep, 0700));
        CHECK_OK(chdir(deep));
        CHECK_OK(mkdir("sub", 0700));
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
        set(peer, NN_RECONNECT_IVL, 10);
        BIND(s, "ipc://sub/relative");
        connect_and_wait(peer, s, "ipc://sub/relative");
        CHECK_OK(chdir("/"));
        CLOSE(s);
        CHECK_OK(chdir(deep));
        CHECK(!exists("sub/relative"));
        s = open_socket(NN_PAIR);
        BIND(s, "ipc://sub/../sub/relative");
        CHECK_OK(chdir("/"));
        WAIT(connections(s) == 1 && connections(peer) == 1);
        SEND(peer, "hello");
        RECV(s, "hello");
        CLOSE(s, peer);
        CHECK_OK(chdir(deep));
        CHECK_OK(rmdir("sub")); /* nothing is left in it */
        CHECK_OK(chdir(before));
        CHECK_OK(rmdir(deep));
    }
}

/* Hidden ones, too. */
static int entries_with_hidden(void) {
    int count = 0;
    DIR *dir = opendir(directory);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Somebody has locked the directory, as systemd asks programs to do in /tmp: that is no reason to wait. */
static void locked(void) {
    CONTEXT("locked directory");
    int fd = open(directory, O_RDONLY | O_CLOEXEC), s = open_socket(NN_PAIR), before = entries_with_hidden();
    CHECK_OK(flock(fd, LOCK_EX));
    for (int i = 0; i < 20; i++) { /* to wait for a second each time is more than this program may take */
        address a = fresh(IPC);
        CHECK_OK(nn_shutdown(s, BIND(s, a.text)));
    }
    CLOSE(s);
    close(fd);
    CHECK_EQ(entries_with_hidden(), before);
}

static void no_permission(void) {
    if (geteuid() == 0)
        return; /* root may do everything */
    CONTEXT("no permission");
    int s = open_socket(NN_PAIR);
    address a = fresh(IPC);
    CHECK_OK(chmod(directory, 0500));
    CHECK_ERR(nn_bind(s, a.text), EACCES);
    CHECK_OK(chmod(directory, 0700));
    CLOSE(s);
}

/* The empty path is a name of its own: bind and connect find each other. */
static void empty(void) {
    CONTEXT("empty path");
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    if (nn_bind(s, "ipc://") > 0) /* there is one such name on the machine; another program may have it just now */
        connect_and_wait(peer, s, "ipc://");
    else
        CHECK_EQ(errno, EADDRINUSE);
    CLOSE(s, peer);
}

int main(void) {
    start();
    life();
    stale();
    live();
    obstacles();
    length();
    relative();
    if (!genuine()) /* leaves the file there, and connects to what the path means now */
        elsewhere();
    locked();
    no_permission();
    empty();
    return finish();
}

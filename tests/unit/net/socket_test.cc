#include "net/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace pgsidecar::net {
namespace {

// A socket on a loop, and the descriptor of its other end.
class SocketTest : public testing::Test {
 protected:
  void SetUp() override {
    uv_loop_init(&loop_);
    std::array<int, 2> ends;
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    ASSERT_EQ(socket_.Open(&loop_, ends[0], this), 0);
    other_ = ends[1];
  }

  void TearDown() override {
    if (other_ >= 0) close(other_);
    if (socket_.is_open()) socket_.Close(nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  static void OnReady(uv_poll_t* poll, int status, int events) {
    auto* test = static_cast<SocketTest*>(poll->data);
    test->failed_ = status != 0;
    test->ready_ = test->socket_.Ready(status, events);
  }

  // What is ready in one turn.
  int Turn() {
    ready_ = 0;
    uv_run(&loop_, UV_RUN_NOWAIT);
    return ready_;
  }

  ssize_t Receive() { return socket_.Receive(buffer_); }

  // Writes until the socket takes no more.
  void Fill() {
    const std::string many(100'000, 'x');
    ssize_t sent = 0;
    while (sent >= 0) sent = socket_.Send(std::array<std::string_view, 1>{many});
    EXPECT_EQ(sent, UV_EAGAIN);
  }

  uv_loop_t loop_;
  Socket socket_;
  int other_ = -1;
  int ready_ = 0;
  bool failed_ = false;
  std::array<char, 100> buffer_;
};

TEST_F(SocketTest, TellsOfWhatCanBeReadUntilItIs) {
  socket_.Watch(UV_READABLE, OnReady);
  EXPECT_EQ(Turn(), 0);
  EXPECT_EQ(Receive(), UV_EAGAIN);
  ASSERT_EQ(write(other_, "abc", 3), 3);
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_EQ(Receive(), 3);
  EXPECT_EQ(Turn(), 0);
  socket_.Watch(0, nullptr);
  ASSERT_EQ(write(other_, "def", 3), 3);
  EXPECT_EQ(Turn(), 0);
}

TEST_F(SocketTest, SendsPiecesInTheirOrder) {
  const std::array<std::string_view, 3> pieces = {"ab", "c", "def"};
  EXPECT_EQ(socket_.Send(pieces), 6);
  EXPECT_EQ(read(other_, buffer_.data(), buffer_.size()), 6);
  EXPECT_EQ(std::string_view(buffer_.data(), 6), "abcdef");
}

TEST_F(SocketTest, CanBeWrittenAgainWhenTheOtherEndHasRead) {
  Fill();
  socket_.Watch(UV_WRITABLE, OnReady);
  EXPECT_EQ(Turn(), 0);
  std::string drained(1 << 20, ' ');
  ASSERT_GT(read(other_, drained.data(), drained.size()), 0);
  EXPECT_EQ(Turn(), UV_WRITABLE);
}

TEST_F(SocketTest, EndsBehindTheLastBytes) {
  socket_.Watch(UV_READABLE, OnReady);
  ASSERT_EQ(write(other_, "abc", 3), 3);
  close(std::exchange(other_, -1));
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_EQ(Receive(), 3);
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_EQ(Receive(), 0);
}

TEST_F(SocketTest, NoSignalIfNobodyListens) {
  close(std::exchange(other_, -1));
  EXPECT_EQ(socket_.Send(std::array<std::string_view, 1>{"abc"}), UV_EPIPE);
}

TEST_F(SocketTest, NothingIsSentBehindTheEnd) {
  socket_.ShutDown();
  EXPECT_EQ(read(other_, buffer_.data(), buffer_.size()), 0);
  EXPECT_EQ(socket_.Send(std::array<std::string_view, 1>{"abc"}), UV_EPIPE);
}

TEST_F(SocketTest, WhatCannotBeWatchedIsClosed) {
  Socket socket;
  const int file = open("/proc/self/exe", O_RDONLY);
  EXPECT_EQ(socket.Open(&loop_, file, nullptr), UV_EPERM);
  EXPECT_FALSE(socket.is_open());
  EXPECT_EQ(fcntl(file, F_GETFD), -1);
}

// Over TCP, where a connection can be reset, and refused.
class TcpSocketTest : public SocketTest {
 protected:
  void SetUp() override {
    uv_loop_init(&loop_);
    listening_ = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(bind(listening_, address(), size_), 0);
    ASSERT_EQ(listen(listening_, 1), 0);
    ASSERT_EQ(getsockname(listening_, address(), &size_), 0);
  }

  void TearDown() override {
    close(listening_);
    SocketTest::TearDown();
  }

  sockaddr* address() { return reinterpret_cast<sockaddr*>(&address_); }

  void Connect() {
    connecting_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ASSERT_EQ(socket_.Open(&loop_, connecting_, this), 0);
    socket_.SetTcpOptions();
    ASSERT_TRUE(connect(connecting_, address(), size_) == 0 || errno == EINPROGRESS);
    socket_.Watch(UV_WRITABLE, OnReady);
  }

  int listening_ = -1;
  int connecting_ = -1;  // of socket_
  sockaddr_in address_ = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
  socklen_t size_ = sizeof address_;
};

TEST_F(TcpSocketTest, BytesBeforeAResetAreReadBeforeItIsTold) {
  Connect();
  other_ = accept(listening_, nullptr, nullptr);
  EXPECT_EQ(Turn(), UV_WRITABLE);
  EXPECT_EQ(socket_.ConnectStatus(), 0);
  socket_.Watch(UV_READABLE, OnReady);
  ASSERT_EQ(write(other_, "abc", 3), 3);
  const linger at_once = {1, 0};
  setsockopt(other_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(std::exchange(other_, -1));
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_TRUE(failed_);
  EXPECT_EQ(Receive(), 3);
  EXPECT_EQ(Turn(), 0);  // libuv tells it once
  socket_.Watch(UV_READABLE, OnReady);
  EXPECT_EQ(Turn(), UV_READABLE);
  EXPECT_EQ(Receive(), UV_ECONNRESET);
}

TEST_F(TcpSocketTest, SendsAtOnceAndKeepsAlive) {
  Connect();
  other_ = accept(listening_, nullptr, nullptr);
  const auto is_on = [this](int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(connecting_, level, option, &value, &size), 0);
    return value != 0;
  };
  EXPECT_TRUE(is_on(IPPROTO_TCP, TCP_NODELAY));
  EXPECT_TRUE(is_on(SOL_SOCKET, SO_KEEPALIVE));
}

TEST_F(TcpSocketTest, ARefusedConnectionSaysSo) {
  close(std::exchange(listening_, -1));
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_EQ(socket_.Open(&loop_, descriptor, this), 0);
  // Loopback may say it at once, or when it is asked how connecting has ended.
  if (connect(descriptor, address(), size_) != 0 && errno == EINPROGRESS) {
    socket_.Watch(UV_WRITABLE, OnReady);
    EXPECT_EQ(Turn(), UV_WRITABLE);
    EXPECT_EQ(socket_.ConnectStatus(), UV_ECONNREFUSED);
  } else {
    EXPECT_EQ(errno, ECONNREFUSED);
  }
}

}  // namespace
}  // namespace pgsidecar::net

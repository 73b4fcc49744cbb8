// The PostgreSQL JDBC driver through the proxy. Arguments: the JDBC URL. Prints "ok" and exits 0, or
// names the first thing that differs and exits 1. jdbc_test.py compiles and runs it.

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class JdbcTest {
  private static String url;

  private static Connection open(String... settings) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", "postgres");
    properties.setProperty("password", "secret");
    properties.setProperty("sslmode", "disable");
    properties.setProperty("socketTimeout", "30");
    for (int i = 0; i < settings.length; i += 2) properties.setProperty(settings[i], settings[i + 1]);
    return DriverManager.getConnection(url, properties);
  }

  private static void same(Object expected, Object got, String what) {
    if (!expected.equals(got)) {
      throw new AssertionError(what + ": expected " + expected + ", got " + got);
    }
  }

  private static String one(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }

  private static void reads(Connection connection) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT name, price FROM item WHERE id = ?")) {
      // The driver names the statement at its fifth use and asks for binary from then on.
      for (int i = 0; i < 12; i++) {
        statement.setInt(1, 3 + i % 2);
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          same("item " + (3 + i % 2), rows.getString(1), "name, round " + i);
          same(new BigDecimal(3 + i % 2 + ".50"), rows.getBigDecimal(2), "price, round " + i);
        }
      }
    }
  }

  private static void writes(Connection connection, Connection other) throws SQLException {
    String sql = "SELECT name FROM item WHERE id = 5";
    for (int i = 0; i < 7; i++) {
      same("item 5", one(connection, sql), "before");
      same("item 5", one(other, sql), "before, other");
    }
    connection.setAutoCommit(false);
    try (PreparedStatement update =
        connection.prepareStatement("UPDATE item SET name = ? WHERE id = ?")) {
      update.setString(1, "changed");
      update.setInt(2, 5);
      same(1, update.executeUpdate(), "rows updated");
    }
    same("changed", one(connection, sql), "own write");
    same("item 5", one(other, sql), "uncommitted write of another");
    connection.commit();
    same("changed", one(other, sql), "committed write of another");
    try (Statement update = connection.createStatement()) {
      update.executeUpdate("UPDATE item SET name = 'item 5' WHERE id = 5");
    }
    connection.rollback();
    same("changed", one(connection, sql), "rolled back");
    connection.setAutoCommit(true);
    try (Statement update = connection.createStatement()) {
      update.executeUpdate("UPDATE item SET name = 'item 5' WHERE id = 5");
    }
    same("item 5", one(other, sql), "autocommit");
  }

  private static void batch(Connection connection) throws SQLException {
    same("0", one(connection, "SELECT count(*) FROM batched"), "empty");
    try (PreparedStatement insert =
        connection.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
      for (int i = 0; i < 500; i++) {
        insert.setInt(1, i);
        insert.setString(2, "row " + i);
        insert.addBatch();
      }
      same(500, insert.executeBatch().length, "batch");
    }
    same("500", one(connection, "SELECT count(*) FROM batched"), "after the batch");
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate("TRUNCATE batched");
    }
    same("0", one(connection, "SELECT count(*) FROM batched"), "truncated");
  }

  private static void fetchSize(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT id FROM item ORDER BY id")) {
      statement.setFetchSize(7);  // row-limited Execute of a named portal
      for (int round = 0; round < 3; round++) {
        int expected = 1;
        try (ResultSet rows = statement.executeQuery()) {
          while (rows.next()) same(expected++, rows.getInt(1), "row of a cursor");
        }
        same(101, expected, "rows of a cursor");
      }
    }
    connection.commit();
    connection.setAutoCommit(true);
  }

  private static void errors(Connection connection) throws SQLException {
    for (int i = 0; i < 7; i++) {
      try {
        one(connection, "SELECT 1 / (id - 1) FROM item");
        throw new AssertionError("no error");
      } catch (SQLException error) {
        same("22012", error.getSQLState(), "SQLSTATE");
      }
      same("1", one(connection, "SELECT 1"), "after an error");
    }
  }

  private static void copy(Connection connection) throws Exception {
    CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
    java.io.StringWriter out = new java.io.StringWriter();
    same(100L, copies.copyOut("COPY (SELECT id FROM item ORDER BY id) TO STDOUT", out), "copied");
    same(3L, copies.copyIn("COPY batched FROM STDIN", new java.io.StringReader("1\ta\n2\tb\n3\tc\n")),
        "copied in");
    same("3", one(connection, "SELECT count(*) FROM batched"), "after COPY");
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate("DELETE FROM batched");
    }
    same("0", one(connection, "SELECT count(*) FROM batched"), "after DELETE");
  }

  public static void main(String[] arguments) throws Exception {
    url = arguments[0];
    String[][] ways = {
      {}, {"preferQueryMode", "simple"}, {"prepareThreshold", "1"}, {"prepareThreshold", "-1"},
      {"preferQueryMode", "extendedCacheEverything"}, {"autosave", "always"},
    };
    for (String[] way : ways) {
      String name = String.join("=", way);
      try (Connection connection = open(way); Connection other = open(way)) {
        reads(connection);
        writes(connection, other);
        batch(connection);
        fetchSize(connection);
        errors(connection);
        copy(connection);
      } catch (Throwable problem) {
        System.out.println("with " + (name.isEmpty() ? "the defaults" : name) + ": " + problem);
        problem.printStackTrace();
        System.exit(1);
      }
    }
    System.out.println("ok");
  }
}

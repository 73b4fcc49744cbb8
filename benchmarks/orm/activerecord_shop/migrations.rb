# frozen_string_literal: true

class CreateShop < ActiveRecord::Migration[6.1]
  def change
    create_table :customers do |t|
      t.string :name, null: false
      t.string :email, null: false, index: { unique: true }
      t.string :city, null: false, index: true
      t.integer :orders_count, null: false, default: 0
      t.timestamps
    end
    create_table :products do |t|
      t.string :sku, null: false, index: { unique: true }
      t.string :name, null: false
      t.text :description
      t.decimal :price, precision: 10, scale: 2, null: false
      t.integer :stock, null: false, default: 0
      t.boolean :active, null: false, default: true
      t.jsonb :details, null: false, default: {}
      t.integer :lock_version, null: false, default: 0
      t.timestamps
    end
    create_table :tags do |t|
      t.string :name, null: false, index: { unique: true }
    end
    create_join_table :products, :tags do |t|
      t.index %i[product_id tag_id], unique: true
      t.index :tag_id
    end
    create_table :orders do |t|
      t.references :customer, null: false, foreign_key: true
      t.string :status, null: false, default: "new"
      t.datetime :placed_at, null: false, index: true
      t.timestamps
    end
    create_table :items do |t|
      t.references :order, null: false, foreign_key: { on_delete: :cascade }
      t.references :product, null: false, foreign_key: true
      t.integer :quantity, null: false
      t.decimal :price, precision: 10, scale: 2, null: false
    end
  end
end

class AddNoteToOrders < ActiveRecord::Migration[6.1]
  def change
    add_column :orders, :note, :string
    add_index :orders, %i[status placed_at], algorithm: :concurrently
  end

  disable_ddl_transaction!
end

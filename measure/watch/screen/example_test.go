package screen_test

import (
	"fmt"
	"os"

	"zombench/measure/watch/screen"
)

// What is drawn on, and read from, need not be a terminal.
func ExampleOpen() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer null.Close()
	s, err := screen.Open(null, null, func() {})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	width, height := s.Size()
	fmt.Println(width, height, s.Show([]string{"42 zombies"}))
	// Output: 80 24 <nil>
}
